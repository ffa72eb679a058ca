// Draws every <pre class="mermaid">, and draws again when the reader changes the colour scheme.
(function () {
  "use strict";
  let round = 0;

  async function draw() {
    const dark = document.documentElement.dataset.theme === "dark";
    mermaid.initialize({ startOnLoad: false, securityLevel: "strict", theme: dark ? "dark" : "neutral" });
    const thisRound = ++round;
    const diagrams = document.querySelectorAll("pre.mermaid");
    for (const [i, diagram] of diagrams.entries()) {
      diagram.dataset.source ??= diagram.textContent;
      const { svg } = await mermaid.render(`diagram-${thisRound}-${i}`, diagram.dataset.source);
      if (thisRound !== round) return; // a newer drawing is under way
      diagram.innerHTML = svg;
      // A diagram shrinks to fit, but not until nobody can read it: then its box scrolls.
      const drawing = diagram.querySelector("svg");
      drawing.style.minWidth = `${0.5 * parseFloat(drawing.style.maxWidth)}px`;
    }
  }

  draw();
  new MutationObserver(draw).observe(document.documentElement, {
    attributes: true,
    attributeFilter: ["data-theme"],
  });
})();
