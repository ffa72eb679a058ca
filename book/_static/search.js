// The search page: ranks the book's sections for the words in the address, and shows where they stand.
"use strict";

window.bookSearch = (() => {
  const KINDS = ["In the chapters", "Questions and terms", "About the book", "In the reference", "Among the works cited"];
  const REFERENCE = 3;
  const AT_MOST = { ofOneKind: [20, 6, 4, 12, 6], ofOnePage: 4 };
  // Sections that repeat what others explain.
  const ASIDE = /^(exercises|in the source document|further reading|measured|all symbols)$/i;

  // Text as words with one space between them: "Top-p (nucleus)" is "top p nucleus".
  const plain = (text) =>
    text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim();

  // The terms of a query. What is hyphenated or dotted is one term of several words.
  const terms = (query) => query.trim().split(/\s+/u).map(plain).filter(Boolean).map(singular);

  const singular = (word) => (/[^s]s$/.test(word) && word.length > 4 ? word.slice(0, -1) : word);

  // A term is letters, digits and spaces, so it is safe in an expression. A word is found at the
  // beginning of longer ones; two letters, or several words, are found as they are.
  const beginning = (term) => new RegExp(`(?<![\\p{L}\\p{N}])${term}${bookMarks.ending(term)}`, "gu");
  const count = (pattern, text) => (text.match(pattern) ?? []).length;

  // What each term may stand for: itself, and the words that mean the same.
  function alternatives(query, synonyms) {
    const own = terms(query);
    const whole = own.join(" ");
    const same = (words) =>
      synonyms
        .filter((group) => group.some((word) => terms(word).join(" ") === words))
        .flat()
        .map((word) => terms(word).join(" "));
    const others = same(whole);
    if (own.length > 1 && others.length) return [[...new Set([whole, ...others])]];
    return own.map((term) => [...new Set([term, ...same(term)])]);
  }

  function prepare(index) {
    const places = [];
    for (const page of index.pages)
      page.sections.forEach((section, i) => {
        const title = plain(section.title);
        places.push({
          page, section, title, first: i === 0,
          pageTitle: plain(page.title),
          text: plain(section.text),
          code: plain(section.code),
        });
      });
    return places;
  }

  // How well one term fits one place; 0 where it does not stand.
  function fit(patterns, place, rarity) {
    let best = 0;
    patterns.forEach(({ pattern, exact }, i) => {
      const inTitle = count(pattern, place.title);
      const inText = count(pattern, place.text);
      const inCode = count(pattern, place.code);
      if (!inTitle && !inText && !inCode) return;
      const length = 1 + place.text.length / 3000;
      const score =
        (inTitle ? (count(exact, place.title) ? 14 : 9) + 4 / place.title.split(" ").length : 0) +
        (inText ? 3 + (4 * Math.log2(1 + inText)) / length : 0) +
        (inCode ? 0.5 + 0.3 * Math.log2(1 + inCode) : 0);
      best = Math.max(best, score * (i ? 0.8 : 1)); // a synonym counts a little less
    });
    return best * rarity;
  }

  function rank(index, query) {
    const places = prepare(index);
    const groups = alternatives(query, index.synonyms).map((group) =>
      group.map((term) => ({
        pattern: beginning(term),
        exact: new RegExp(`(?<![\\p{L}\\p{N}])${term}s?(?![\\p{L}\\p{N}])`, "gu"),
      })),
    );
    if (!groups.length) return [];
    const rarities = groups.map((patterns) => {
      const n = places.filter((p) => patterns.some(({ pattern }) => count(pattern, p.title + " " + p.text))).length;
      return Math.log2(1 + places.length / (1 + n));
    });
    const whole = beginning(terms(query).join(" "));
    const onPage = new Map(); // how often the whole query stands on each page
    for (const { page, text } of places) onPage.set(page, (onPage.get(page) ?? 0) + count(whole, text));
    const name = query.trim();
    const found = [];
    for (const place of places) {
      const fits = groups.map((patterns, i) => fit(patterns, place, rarities[i]));
      if (fits.some((value) => value === 0)) continue;
      let score = fits.reduce((sum, value) => sum + value, 0);
      // Several words side by side are worth more than the same words apart.
      if (groups.length > 1 && count(whole, place.title)) score *= 2;
      else if (groups.length > 1 && count(whole, place.text)) score *= 1.5;
      if (place.first && count(whole, place.pageTitle)) score *= 1.5;
      score *= 1 + Math.log2(1 + onPage.get(place.page)) / 8; // where much is said of it
      if (ASIDE.test(place.section.title)) score *= 0.5;
      const isIt = isName(name) && lastPart(place.section.title) === lastPart(name);
      const isPage = place.first && place.pageTitle.replace(/^[\d ]+/, "") === plain(query);
      found.push({ ...place, score, order: isIt || isPage ? -1 : place.page.kind });
    }
    found.sort((a, b) => a.order - b.order || b.score - a.score);
    return few(found);
  }

  // What nobody writes in prose: `sample_naively`, `GPT2Config`, `ar.sample`.
  const isName = (query) => /^[\w.]+$/.test(query) && /[_.]|[a-z\d][A-Z]/.test(query);
  const lastPart = (name) => name.split(".").pop();

  function few(found) {
    const shown = new Map();
    const another = (what) => shown.set(what, (shown.get(what) ?? 0) + 1).get(what);
    return found.filter(
      ({ page }) => another(page) <= AT_MOST.ofOnePage && another(page.kind) <= AT_MOST.ofOneKind[page.kind],
    );
  }

  // The words as they are marked: those of the query, and those that mean the same.
  const wanted = (index, query) => [...new Set(alternatives(query, index.synonyms).flat())];

  function excerpt(section, words) {
    const source = bookMarks.find(section.text, words).length ? section.text : section.code;
    const hits = bookMarks.find(source, words);
    const from = Math.max(0, (hits[0]?.[0] ?? 0) - 60);
    const start = from ? source.indexOf(" ", from) + 1 : 0;
    const text = source.slice(start, start + 190);
    const paragraph = document.createElement("p");
    paragraph.append(start ? "… " : "", text, start + 190 < source.length ? " …" : "");
    bookMarks.mark(paragraph, words);
    return paragraph;
  }

  function item(place, words) {
    const link = document.createElement("a");
    const marks = new URLSearchParams({ marks: words.join("|") });
    link.href = `${place.page.page}?${marks}#${place.section.anchor}`;
    link.textContent = place.first ? place.page.title : `${place.page.title} › ${place.section.title}`;
    const entry = document.createElement("li");
    entry.append(link);
    if (place.section.text || place.section.code) entry.append(excerpt(place.section, words));
    return entry;
  }

  function show(index) {
    const query = new URLSearchParams(location.search).get("q") ?? "";
    for (const field of document.querySelectorAll('input[name="q"]')) field.value = query;
    const results = document.getElementById("search-results");
    if (!terms(query).length) return;
    const found = rank(index, query);
    const words = wanted(index, query);
    const status = document.createElement("p");
    status.setAttribute("role", "status");
    status.textContent = found.length
      ? `${found.length} ${found.length === 1 ? "place" : "places"} for “${query}”`
      : `Nothing in the book holds all the words of “${query}”. Try fewer or shorter words.`;
    results.append(status);
    let list, heading;
    for (const place of found) {
      if (heading !== KINDS[place.page.kind]) {
        heading = KINDS[place.page.kind];
        const title = document.createElement("h2");
        title.textContent = heading;
        list = document.createElement("ol");
        results.append(title, list);
      }
      list.append(item(place, words));
    }
  }

  return { start: show, rank, terms };
})();
