// The search page: ranks the book's sections for the words in the address, and shows where they stand.
"use strict";

window.bookSearch = (() => {
  const KINDS = ["In the chapters", "Questions and terms", "About the book", "In the reference", "Among the works cited"];
  const [CHAPTER, BIBLIOGRAPHY] = [0, 4];
  const AT_MOST = { ofOneKind: [20, 6, 4, 12, 6], ofOnePage: 4 };
  // Sections that repeat what others explain.
  const ASIDE = /^(exercises|in the source document|further reading|measured|all symbols)$/i;

  // Text as words with one space between them: "Top-p (nucleus)" is "top p nucleus".
  const plain = (text) =>
    text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim();

  // What asks and joins: a place that answers need not have these words.
  const SMALL = new Set(
    ("a about all am an and any are as at be been best between but by can come could define definition did differ " +
      "difference do does doing done each explain explained for from get give had has have how i if in into is it its " +
      "just like make mean meaning means me mine much must my no not of on or our own s should so some t tell than " +
      "that the their them then there these they this those to too us use used using versus vs was we were what " +
      "when where which while who whom whose why will with work works would you your").split(" "),
  );

  const singular = (word) => (/[^s]s$/.test(word) && word.length > 4 ? word.slice(0, -1) : word);
  const split = (text) => text.trim().split(/\s+/u).map(plain).filter(Boolean);

  // The terms of a query or a name. What is hyphenated or dotted is one term of several words.
  const terms = (text) => split(text).map(singular);
  const joined = (text) => terms(text).join(" ");

  // Those that are searched for: all but the small words, or all where there are no others.
  function asked(query) {
    const content = split(query).filter((word) => !SMALL.has(word)).map(singular);
    return content.length ? content : terms(query);
  }

  // How often a term stands in a plain text with a space at either end. A word is found at the
  // beginning of longer ones; two letters, or several words, are found as they are, or with an s.
  function count(term, text, exact = false) {
    const any = !exact && bookMarks.isOpen(term);
    let n = 0;
    for (let at = text.indexOf(` ${term}`); at >= 0; at = text.indexOf(` ${term}`, at + 1)) {
      const end = at + 1 + term.length;
      if (any || text[end] === " " || text.startsWith("s ", end)) n += 1;
    }
    return n;
  }

  // What each term may stand for: itself, and the words that mean the same.
  function alternatives(own, synonyms) {
    const whole = own.join(" ");
    const others = same(whole, synonyms);
    if (own.length > 1 && others.length) return [[...new Set([whole, ...others])]];
    return own.map((term) => [...new Set([term, ...same(term, synonyms)])]);
  }

  const same = (words, synonyms) =>
    synonyms.filter((group) => group.some((word) => joined(word) === words)).flat().map(joined);

  function prepare(index) {
    const padded = (text) => ` ${plain(text)} `;
    return index.pages.flatMap((page) =>
      page.sections.map((section, i) => ({
        page, section,
        first: i === 0,
        pageTitle: padded(page.title),
        title: padded(section.title),
        text: padded(section.text),
        code: padded(section.code),
        defines: (section.defines ?? []).map(joined),
      })),
    );
  }

  // The word of the book that is spelt most like one that stands nowhere; the commonest of several.
  function nearest(term, places) {
    const limit = term.length < 4 || term.includes(" ") ? 0 : term.length < 8 ? 1 : 2;
    if (!limit) return undefined;
    const often = new Map();
    for (const { page, title, text } of places)
      if (page.kind !== BIBLIOGRAPHY)
        for (const word of (title + text).split(" ")) often.set(word, (often.get(word) ?? 0) + 1);
    let best, least;
    for (const [word, n] of often) {
      if (word.length < 4 || Math.abs(word.length - term.length) > limit) continue;
      const far = distance(word, term);
      if (far <= limit && (!best || far < least || (far === least && n > often.get(best)))) [best, least] = [word, far];
    }
    return best && singular(best);
  }

  // Letters too many, missing, wrong, or two that have changed places.
  function distance(a, b) {
    let [before, row] = [[], [...Array(b.length + 1).keys()]];
    for (let i = 1; i <= a.length; i++) {
      const next = [i];
      for (let j = 1; j <= b.length; j++) {
        next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
        if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) next[j] = Math.min(next[j], before[j - 2] + 1);
      }
      [before, row] = [row, next];
    }
    return row[b.length];
  }

  // How well one term, or what means the same, fits one place; 0 where it does not stand.
  function fit(group, place, rarity) {
    let best = 0;
    group.forEach((term, i) => {
      const inTitle = count(term, place.title);
      const inText = count(term, place.text);
      const inCode = count(term, place.code);
      if (!inTitle && !inText && !inCode) return;
      const length = 1 + place.text.length / 3000;
      const score =
        (place.defines.includes(term) ? 14 : 0) +
        (inTitle ? (count(term, place.title, true) ? 14 : 9) + 4 / (place.title.split(" ").length - 2) : 0) +
        (inText ? 3 + (4 * Math.log2(1 + inText)) / length : 0) +
        (inCode ? 0.5 + 0.3 * Math.log2(1 + inCode) : 0);
      best = Math.max(best, score * (i ? 0.8 : 1)); // a synonym counts a little less
    });
    return best * rarity;
  }

  // The places for a query; the words to mark in them; whether they lack some of the words; and
  // which word stands for one that is nowhere.
  function rank(index, query) {
    const places = prepare(index);
    const holds = (group) => places.filter((p) => group.some((term) => count(term, p.title + p.text))).length;
    const somewhere = (group) => places.some((p) => group.some((term) => count(term, p.title + p.text + p.code)));
    const corrected = [];
    const own = asked(query).map((term) => {
      if (same(term, index.synonyms).length || somewhere([term])) return term;
      const other = nearest(term, places);
      if (other) corrected.push([term, other]);
      return other ?? term;
    });
    const groups = alternatives(own, index.synonyms);
    const rarities = groups.map((group) => Math.log2(1 + places.length / (1 + holds(group))));
    const wholes = [...new Set([own.join(" "), joined(query)])];
    const whole = (text) => wholes.reduce((n, words) => n + count(words, text), 0);
    const onPage = new Map(); // how often the whole query stands on each page
    for (const { page, text } of places) onPage.set(page, (onPage.get(page) ?? 0) + whole(text));
    const name = query.trim();
    const term = [own.join(" "), ...same(own.join(" "), index.synonyms)];
    const found = [];
    for (const place of places) {
      const fits = groups.map((group, i) => fit(group, place, rarities[i]));
      const share = rarities.reduce((sum, rarity, i) => sum + (fits[i] ? rarity : 0), 0);
      if (!share) continue;
      let score = fits.reduce((sum, value) => sum + value, 0);
      // Several words side by side are worth more than the same words apart.
      if (groups.length > 1 && whole(place.title)) score *= 2;
      else if (groups.length > 1 && whole(place.text)) score *= 1.5;
      if (place.first && whole(place.pageTitle)) score *= 1.5;
      score *= 1 + Math.log2(1 + onPage.get(place.page)) / 8; // where much is said of it
      if (ASIDE.test(place.section.title)) score *= 0.5;
      const isIt = isName(name) && lastPart(place.section.title) === lastPart(name);
      const isPage = place.first && place.pageTitle.replace(/^[\d ]+/, "").trim() === plain(query);
      const isDefined = place.page.kind === CHAPTER && place.defines.some((word) => term.includes(word));
      const order = isIt || isPage ? -2 : isDefined ? -1 : place.page.kind;
      found.push({ ...place, score, share, order, whole: fits.every(Boolean) });
    }
    // Where no place has all the words: those with the most of the rare ones.
    const partial = found.every((place) => !place.whole);
    const most = Math.max(...found.map((place) => place.share));
    const kept = found.filter((place) => (partial ? place.share >= 0.75 * most : place.whole));
    kept.sort((a, b) => a.order - b.order || b.score - a.score);
    return { found: few(kept), words: [...new Set(groups.flat())], partial, corrected };
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
    const { found, words, partial, corrected } = rank(index, query);
    const status = document.createElement("p");
    status.setAttribute("role", "status");
    const n = `${found.length} ${found.length === 1 ? "place" : "places"}`;
    const nowhere = corrected.map(([term, other]) => `“${term}” stands nowhere in the book, “${other}” does. `).join("");
    status.textContent = !found.length
      ? `Nothing in the book holds the words of “${query}”. Try fewer or shorter words.`
      : partial
        ? `${nowhere}No place holds all the words of “${query}”. ${n} with the most of them`
        : `${nowhere}${n} for “${query}”`;
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
