// The widget manager asks MathJax 2 to typeset labels; the book has MathJax 3. This translates.
// It runs after MathJax has started and before the widgets are drawn (at the window's load event).
document.addEventListener("DOMContentLoaded", () => {
  if (!window.MathJax) return;
  window.MathJax.Hub = {
    Queue([, , element]) {
      MathJax.startup.promise = MathJax.startup.promise
        .then(() => MathJax.typesetPromise([element]));
    },
  };
});
