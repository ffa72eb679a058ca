// A question of the page: the choice that is taken is judged, and the answer opens.
for (const group of document.querySelectorAll(".predict")) {
  group.addEventListener("change", ({ target }) => {
    const choice = target.closest(".predict-choice");
    const right = "right" in choice.dataset;
    for (const other of group.querySelectorAll(".predict-choice")) other.removeAttribute("data-taken");
    choice.dataset.taken = right ? "right" : "wrong";
    group.querySelector(".predict-verdict").textContent = right ? "✓ So it is." : "✗ Not so.";
    group.querySelector("details").open = true;
  });
}
