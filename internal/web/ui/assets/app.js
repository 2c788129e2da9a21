// What little the console does beside htmx: a key for the search, and a button
// that says that its form is on the way. Everything works without it.
"use strict";
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = document.activeElement;
  if (at && (at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName))) return;
  const find = document.getElementById("find");
  if (find && find.offsetParent) {
    event.preventDefault();
    find.focus();
  }
});
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button && button.dataset.busy) {
    button.style.width = button.offsetWidth + "px";
    button.textContent = button.dataset.busy;
    button.setAttribute("aria-busy", "true");
  }
});
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.pick[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});
