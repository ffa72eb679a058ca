// Marks words in a page. A reader who comes from the search sees them, and is brought to the first of
// them; Escape takes them away.
"use strict";

window.bookMarks = (() => {
  const LEFT_OUT = "script, style, button, input, select, textarea, svg, math, mjx-container, .headerlink";

  // How a word may go on: one word by any letters, two letters or several words not at all.
  const isOpen = (word) => word.length > 2 && !word.includes(" ");
  const ending = (word) => (isOpen(word) ? "[\\p{L}\\p{N}]*" : "s?(?![\\p{L}\\p{N}])");

  // Where the words stand in a text: [start, end] each. Words are found with or without accents; a space in it stands for whatever is no letter.
  function find(text, words) {
    if (!words.length) return [];
    let plain = "";
    const places = []; // of each letter of `plain`, where it stands in `text`
    for (const { segment, index } of characters(text)) {
      const letters = segment.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
      for (let i = 0; i < letters.length; i++) places.push([index, index + segment.length]);
      plain += letters;
    }
    const either = words.map((word) => word.replaceAll(" ", "[^\\p{L}\\p{N}]+") + ending(word)).join("|");
    const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(?:${either})`, "gu");
    return [...plain.matchAll(pattern)].map((match) => [
      places[match.index][0],
      places[match.index + match[0].length - 1][1],
    ]);
  }

  function* characters(text) {
    let index = 0;
    for (const segment of text) {
      yield { segment, index };
      index += segment.length;
    }
  }

  // Put <mark> around the words inside an element, and return the marks.
  function mark(element, words) {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT, (node) =>
      node.parentElement.closest(LEFT_OUT) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
    );
    const texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    return texts.flatMap((node) =>
      find(node.data, words)
        .reverse() // from the end, so that the places before it stay true
        .map(([start, end]) => {
          const range = document.createRange();
          range.setStart(node, start);
          range.setEnd(node, end);
          const marked = document.createElement("mark");
          range.surroundContents(marked);
          return marked;
        })
        .reverse(),
    );
  }

  function unmark() {
    for (const marked of document.querySelectorAll(".bd-article mark")) {
      const parent = marked.parentNode;
      marked.replaceWith(...marked.childNodes);
      parent.normalize();
    }
  }

  function bring(marks) {
    const heading = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!heading) return;
    const inside = marks.filter((m) => heading.contains(m) || heading.nextElementSibling?.contains(m));
    const seen = inside.find((m) => m.offsetParent !== null);
    heading.scrollIntoView();
    if (seen && seen.getBoundingClientRect().top > innerHeight) seen.scrollIntoView({ block: "center" });
  }

  const words = new URLSearchParams(location.search).get("marks")?.split("|").filter(Boolean) ?? [];
  const article = document.querySelector(".bd-article");
  if (article && words.length) {
    bring(mark(article, words));
    addEventListener("keydown", (event) => event.key === "Escape" && unmark());
  }
  return { find, mark, isOpen };
})();
