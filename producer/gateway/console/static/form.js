"use strict";

// The form for a new clean-up: its lists, and what it has been previewed with.

// A file of ids is read here: its lines go into the form like any that are pasted.
async function readFile(file, area) {
  area.value = (await file.text()).trim();
  changed(area);
}

function changed(field) {
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

// A tag that was found becomes one more line of the form.
function add(button) {
  const area = document.getElementById(button.dataset.to);
  const lines = area.value.split("\n").filter((line) => line.trim());
  if (!lines.includes(button.dataset.add)) lines.push(button.dataset.add);
  area.value = lines.join("\n");
  changed(area);
}

// A tag that was found is the only one of its field.
function put(button) {
  const input = document.getElementById(button.dataset.to);
  input.value = button.dataset.put;
  input.focus();
  button.closest("ul").remove();
  outdate();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-add], [data-put]");
  if (!button) return;
  if (button.dataset.add) add(button);
  else put(button);
});

document.addEventListener("change", (event) => {
  const input = event.target;
  if (input.type === "file" && input.dataset.into && input.files.length) {
    readFile(input.files[0], document.getElementById(input.dataset.into));
  }
});

document.addEventListener("dragover", (event) => {
  const area = event.target.closest(".drop textarea");
  if (!area) return;
  event.preventDefault();
  area.classList.add("over");
});

document.addEventListener("dragleave", (event) => {
  event.target.closest?.(".drop textarea")?.classList.remove("over");
});

document.addEventListener("drop", (event) => {
  const area = event.target.closest(".drop textarea");
  if (!area || !event.dataTransfer.files.length) return;
  event.preventDefault();
  area.classList.remove("over");
  readFile(event.dataTransfer.files[0], area);
});

// How much of a list is chosen is told beside its name, also while it is closed.
function tellChosen(form, name) {
  const shown = form.querySelector(`[data-chosen="${CSS.escape(name)}"]`);
  if (!shown) return;
  const ids = form.elements[`ids-${name}`].value.split(/[\s,;]+/).filter(Boolean).length;
  const all = form.elements[`which-${name}`].checked && form.elements.kind.value !== "attach";
  const given = ids ? `${ids.toLocaleString("en")} ${ids === 1 ? "id" : "ids"}` : "";
  shown.textContent = all ? (ids ? `all and ${given}: choose one of both` : "all") : given;
}

function tellAll(form) {
  for (const shown of form.querySelectorAll("[data-chosen]")) tellChosen(form, shown.dataset.chosen);
}

// What was previewed is not what the form asks for any more: it is not to be run by mistake.
let edition = 0;
let previewed = 0;

function outdate() {
  edition += 1;
  const outcome = document.getElementById("outcome");
  if (!outcome.firstElementChild) return;
  outcome.replaceChildren();
  tellStale();
}

function tellStale() {
  document.getElementById("stale").textContent =
    "The form has changed since the preview: preview it again.";
}

document.addEventListener("input", (event) => {
  const field = event.target;
  const form = field.form;
  if (form?.id !== "new" || field.id === "search") return;
  const list = /^(?:ids|which)-(.+)$/.exec(field.name);
  if (list) tellChosen(form, list[1]);
  else if (field.name === "kind") tellAll(form);
  outdate();
});

// The browser fills in what was there before, as on the way back from another page.
window.addEventListener("pageshow", () => {
  const form = document.getElementById("new");
  if (form) tellAll(form);
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id !== "new") return;
  previewed = edition;
  document.getElementById("stale").textContent = "";
});

// One that was on its way while the form changed is none of it.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "outcome" || previewed === edition) return;
  event.detail.shouldSwap = false;
  tellStale();
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "outcome") return;
  const title = document.getElementById("preview-title");
  title.focus({ preventScroll: true });
  title.scrollIntoView({ block: "start" });
});
