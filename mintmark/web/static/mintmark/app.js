// What a page gains with a script: keys, the colour theme without a reload, and explanations in a dialog.
"use strict";

const inField = (element) => element.matches("input, select, textarea, [contenteditable]");
const rows = () => [...document.querySelectorAll("[data-rows] > *")];

function moveRow(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
  const link = all[next].querySelector("a");
  link?.focus();
  link?.scrollIntoView({ block: "center" });
}

const keys = {
  "/": () => document.querySelector("main [data-search], [data-search]")?.focus(),
  j: () => moveRow(1),
  k: () => moveRow(-1),
  "?": () => document.getElementById("keys")?.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || inField(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const action = keys[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) {
    event.preventDefault();
    document.getElementById(opener.dataset.opens)?.showModal();
  }
  if (event.target.closest("[data-closes]")) event.target.closest("dialog")?.close();
  if (event.target instanceof HTMLDialogElement) event.target.close();
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-theme-form]")) return;
  event.preventDefault();
  const root = document.documentElement;
  const isDark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = isDark ? "light" : "dark";
  root.dataset.theme = theme;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax${secure}`;
});

document.addEventListener("htmx:afterSwap", (event) => {
  hideSpareButtons();
  const dialog = event.detail.target.closest("dialog");
  if (dialog && !dialog.open) dialog.showModal();
});

// A select or a tick box takes effect at once; without a script its form has a button.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-now]")) event.target.form.requestSubmit();
});
function hideSpareButtons() {
  for (const button of document.querySelectorAll("[data-without-script]")) button.hidden = true;
}
hideSpareButtons();
