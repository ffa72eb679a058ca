// Moves the explorers and films of a page: book/_ext/aigc_book/explorer_html.py writes them.
// A state is a whole number. Controls change it, and views show their child of that number.
(() => {
  "use strict";
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  document.querySelectorAll(".explorer").forEach(start);

  function start(explorer) {
    const states = JSON.parse(explorer.dataset.start);
    const all = (selector) => [...explorer.querySelectorAll(selector)];

    // Resolves when the state is seen, or when a newer one has taken its place.
    function show(state, number) {
      states[state] = number;
      const shown = all(`[data-state="${state}"]`).map((element) => {
        if (element.type === "range") return speak(element, number);
        if (element.type === "radio") return void (element.checked = +element.value === number);
        if (element.matches(".explorer-views")) return turn(element, state, number);
      });
      return Promise.all(shown);
    }

    function speak(range, number) {
      const label = JSON.parse(range.dataset.labels)[number - range.min];
      range.value = number;
      range.setAttribute("aria-valuetext", label);
      range.nextElementSibling.textContent = label;
    }

    // The view before stays until the pictures of the next are there: nothing flashes or jumps.
    async function turn(views, state, number) {
      const next = views.children[number];
      next.querySelectorAll(":scope > template, :not([hidden]) > template").forEach(unpack);
      const pictures = wake(next);
      await Promise.all(pictures.map((picture) => picture.decode().catch(() => {})));
      if (states[state] !== number) return;
      for (const view of views.querySelectorAll(":scope > .explorer-view")) view.hidden = view !== next;
    }

    const unpack = (template) => template.replaceWith(template.content);

    // Pictures are loaded when the reader comes to the explorer with pointer, finger or Tab.
    function load() {
      all("template").filter((template) => template.content.querySelector("img")).forEach(unpack);
      wake(explorer);
    }
    for (const event of ["pointerenter", "pointerdown", "focusin"])
      explorer.addEventListener(event, load, { once: true, passive: true });

    const players = all(".explorer-play").map((button) => player(button, states, show, load));

    explorer.addEventListener("input", ({ target }) => {
      for (const stop of players) stop(target.dataset.state);
      show(target.dataset.state, +target.value);
    });
    if ("autoplay" in explorer.dataset && !still.matches) whenSeen(explorer, players);
    explorer.classList.add("explorer-moves");
  }

  // Has the pictures of a view loaded, and returns them: of two forms, the one for the page's scheme.
  function wake(view) {
    const pictures = [...view.querySelectorAll("img")].filter((picture) => {
      const form = picture.closest("picture");
      return !form || getComputedStyle(form).display !== "none";
    });
    for (const picture of pictures) picture.loading = "eager";
    return pictures;
  }

  // Returns a function that stops the player of a state.
  function player(button, states, show, load) {
    const { state, low, high, milliseconds, loop } = button.dataset;
    let run = 0; // the number of the run that plays; 0 when none does

    function name() {
      button.textContent = run ? "Pause" : still.matches ? "Next" : "Play";
      button.classList.toggle("explorer-playing", run > 0);
    }

    function stop(ofState = state) {
      if (ofState !== state) return;
      run = 0;
      name();
    }

    const next = () => (states[state] < +high ? states[state] + 1 : +low);

    async function play() {
      load();
      const own = (run = performance.now());
      name();
      do {
        await Promise.all([show(state, next()), pause(+milliseconds)]);
      } while (run === own && (states[state] < +high || loop !== undefined));
      if (run === own) stop();
    }

    button.addEventListener("click", () => {
      if (run) stop();
      else if (still.matches) show(state, next()); // one step for one press
      else play();
    });
    still.addEventListener("change", () => stop());
    name();
    return Object.assign(stop, { play });
  }

  // Plays while it is seen, until the reader has touched it.
  function whenSeen(explorer, players) {
    const watch = new IntersectionObserver(([entry]) => {
      for (const stop of players) entry.isIntersecting ? stop.play() : stop();
    });
    watch.observe(explorer);
    for (const event of ["click", "input"])
      explorer.addEventListener(event, () => watch.disconnect(), { once: true });
  }
})();
