"use strict";

const base = document.body.dataset.console;

// The token of a one-time link stands behind the #, which browsers send to nobody.
function followLink() {
  const form = document.getElementById("link");
  const token = location.hash.slice(1);
  if (!form || !token) return;
  history.replaceState(null, "", location.pathname + location.search);
  form.elements.token.value = token;
  htmx.trigger(form, "follow");
}

// Parts of the page that show jobs load anew when one of theirs has moved, at most every 2 s.
const EVERY_MS = 2000;
// What changes though no job moves, such as how long ago something was, follows now and then.
const CALM_MS = 30000;
const ALL = { jobs: [], all: true };
const due = new Map();

function refresh(element) {
  if (due.has(element.id)) return;
  const wait = Math.max(0, (Number(element.dataset.loadedAt) || 0) + EVERY_MS - Date.now());
  due.set(
    element.id,
    setTimeout(() => {
      due.delete(element.id);
      const now = document.getElementById(element.id);
      if (!now || document.hidden) return;
      htmx.trigger(now, "live");
    }, wait),
  );
}

// What was told last: a part is no older than that.
let latest = "";

function heard(news) {
  if (news.at) latest = news.at;
  if (document.hidden) return;
  for (const element of document.querySelectorAll("[data-live]")) {
    const job = element.dataset.live;
    if (news.all || job === "*" || news.jobs.includes(job)) refresh(element);
  }
}

// One stream for all tabs of a browser: whoever holds the lock has it, and tells the others. A
// hidden tab closes it and lets the next one have it.
const channel = new BroadcastChannel("tagsweep-console");
let release = null;
let asked = null;

function tell(news) {
  channel.postMessage(news);
  heard(news);
}

function listen() {
  if (document.hidden || release || asked) return;
  asked = new AbortController();
  const lock = { signal: asked.signal };
  navigator.locks
    .request("tagsweep-console-stream", lock, () => {
      if (document.hidden) return undefined;
      const source = new EventSource(`${base}/events`);
      source.onmessage = (message) => {
        tell(JSON.parse(message.data));
      };
      source.addEventListener("ended", () => location.reload());
      source.onopen = () => show(false);
      source.onerror = () => show(true);
      return new Promise((resolve) => {
        release = () => {
          source.close();
          resolve();
        };
      });
    })
    .catch(() => {})
    .finally(() => {
      release = null;
      asked = null;
    });
}

function show(isLost) {
  document.getElementById("stream").hidden = !isLost;
}

function stop() {
  if (release) release();
  else if (asked) asked.abort();
}

function follow() {
  if (!("signedIn" in document.body.dataset)) return;
  setInterval(() => heard(ALL), CALM_MS);
  for (const part of document.querySelectorAll("[data-live]")) {
    part.dataset.loadedAt = Date.now();
    lookAgain(part);
  }
  if (!navigator.locks) {
    // not a secure context: each visible page asks for itself
    setInterval(() => heard(ALL), EVERY_MS * 2);
    return;
  }
  channel.onmessage = (message) => heard(message.data);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      stop();
      return;
    }
    setTimeout(listen, 0);
    heard(ALL);
  });
  window.addEventListener("pagehide", stop);
  listen();
  heard(ALL); // what happened since the server wrote this page
}

// A question is a dialog; whoever closes it is where they were.
function openDialog() {
  const dialog = document.getElementById("dialog");
  forget();
  if (!dialog.open) dialog.showModal();
}

// What is refused while a question is open is told in it: what is behind it nobody sees or hears.
function forget() {
  document.getElementById("dialog-notice").replaceChildren();
}

function isOpen() {
  return document.getElementById("dialog").open;
}

function close(event) {
  const dialog = document.getElementById("dialog");
  if (!dialog.open) return;
  event.preventDefault();
  dialog.close();
}

function copy(button) {
  const text = document.getElementById(button.dataset.copy).textContent;
  navigator.clipboard.writeText(text).then(() => {
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => {
      button.textContent = before;
    }, 1500);
  });
}

// A click on the map leads to the chunks of the cell.
function zoom(map, event) {
  const box = map.getBoundingClientRect();
  const size = Number(map.dataset.cell);
  const scale = map.viewBox.baseVal.width / box.width;
  const column = Math.floor(((event.clientX - box.left) * scale) / size);
  const row = Math.floor(((event.clientY - box.top) * scale) / size);
  const cell = row * Number(map.dataset.columns) + column;
  const first = Number(map.dataset.first) + cell * Number(map.dataset.per);
  if (cell >= Number(map.dataset.cells)) return;
  const last = first + Number(map.dataset.per) - 1;
  location.assign(`?chunks=${first}-${Math.min(last, Number(map.dataset.last))}`);
}

// A file of ids is read here: its lines go into the form like any that are pasted.
async function readFile(file, area) {
  area.value = (await file.text()).trim();
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

// A tag that was found becomes one more line of the form.
function add(button) {
  const area = document.getElementById(button.dataset.to);
  const lines = area.value.split("\n").filter((line) => line.trim());
  if (!lines.includes(button.dataset.add)) lines.push(button.dataset.add);
  area.value = lines.join("\n");
}

// A tag that was found is the only one of its field.
function put(button) {
  const input = document.getElementById(button.dataset.to);
  input.value = button.dataset.put;
  input.focus();
  button.closest("ul").remove();
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-copy], [data-add], [data-put], [data-close], svg.map");
  if (!target) return;
  if (target.dataset.copy) copy(target);
  else if (target.dataset.add) add(target);
  else if (target.dataset.put) put(target);
  else if ("close" in target.dataset) close(event);
  else zoom(target, event);
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

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "dialog-body") openDialog();
  if (event.detail.target.id === "notice") event.detail.target.scrollIntoView({ block: "nearest" });
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.closest("dialog")) forget();
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "notice" || !isOpen()) return;
  event.detail.target = document.getElementById("dialog-notice");
});

document.addEventListener("DOMContentLoaded", () => {
  const dialog = document.getElementById("dialog");
  // a secret is not lost by a slip
  dialog.addEventListener("cancel", (event) => {
    if (dialog.querySelector("[data-once]")) event.preventDefault();
  });
  dialog.addEventListener("close", () => heard(ALL)); // what was done in it is shown behind it
});

// A part in which something is about to happen is looked at again soon: one that has just come, and
// one that is as it was (304).
function lookAgain(part) {
  if ("soon" in part.dataset) refresh(part);
}

document.addEventListener("htmx:afterRequest", (event) => lookAgain(event.detail.elt));

// A part that is as the browser has it is not sent again (304).
const versions = new Map();

document.addEventListener("htmx:configRequest", (event) => {
  const part = event.detail.elt;
  if (!part.dataset.live) return;
  event.detail.headers["X-News"] = latest;
  if (versions.has(part.id)) event.detail.headers["If-None-Match"] = versions.get(part.id);
});

document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.detail.elt;
  if (part.dataset.live) part.dataset.loadedAt = Date.now();
});

// A part that loads anew leaves people where they were: with what they opened, and the focus.
let left = null;

function placeOf(element, part) {
  const all = [...part.querySelectorAll("a, button, summary, input, [tabindex]")];
  return all.indexOf(element);
}

function opened(part) {
  const all = [...part.querySelectorAll("details[open] > summary")];
  return all.map((summary) => summary.textContent.split("(")[0].trim());
}

function leave(part) {
  left = { open: opened(part), focus: placeOf(document.activeElement, part) };
}

function come(part) {
  if (!left || !part) return;
  for (const summary of part.querySelectorAll("details > summary")) {
    if (left.open.includes(summary.textContent.split("(")[0].trim())) summary.parentElement.open = true;
  }
  const all = part.querySelectorAll("a, button, summary, input, [tabindex]");
  if (left.focus >= 0 && all[left.focus]) all[left.focus].focus({ preventScroll: true });
  left = null;
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const part = event.detail.target;
  if (!event.detail.shouldSwap || !part.dataset.live) return;
  leave(part);
  versions.set(part.id, event.detail.xhr.getResponseHeader("ETag"));
});

document.addEventListener("htmx:load", (event) => {
  if (!event.detail.elt.dataset?.live) return;
  event.detail.elt.dataset.loadedAt = Date.now();
  come(event.detail.elt);
  lookAgain(event.detail.elt);
});

// htmx, whose script comes first, has read the page by then.
document.addEventListener("DOMContentLoaded", () => {
  followLink();
  follow();
});
