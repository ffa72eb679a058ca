// The menu opens where the reader is: the page that is shown stands in its middle.
"use strict";

(() => {
  const bar = document.getElementById("pst-primary-sidebar");
  const modal = document.getElementById("pst-primary-sidebar-modal");
  const show = (box) => {
    const here = box.querySelector("li.current.active:not(:has(li.current)) > a");
    if (!here) return;
    const scrolled = box.scrollHeight > box.clientHeight ? box : box.firstElementChild ?? box;
    const place = here.getBoundingClientRect().top - scrolled.getBoundingClientRect().top;
    scrolled.scrollTop += place - scrolled.clientHeight / 2;
  };
  if (bar) show(bar);
  // On a phone the theme moves the bar's content into a dialog, and opens it.
  if (modal) new MutationObserver(() => modal.open && show(modal)).observe(modal, { attributes: true });
})();
