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
      if (hasSelection(now)) {
        now.dataset.loadedAt = Date.now(); // whoever marks something is about to copy it
        refresh(now);
      } else htmx.trigger(now, "live");
    }, wait),
  );
}

function hasSelection(part) {
  const marked = getSelection();
  return !marked.isCollapsed && marked.containsNode(part, true);
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
      source.onopen = () => tellLost(false);
      source.onerror = () => tellLost(true);
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

function tellLost(isLost) {
  channel.postMessage({ lost: isLost });
  show(isLost);
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
  channel.onmessage = ({ data }) => ("lost" in data ? show(data.lost) : heard(data));
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

// A question is a dialog; whoever closes it is where they were, also if that has loaded anew since.
let asker = null;

function openDialog() {
  const dialog = document.getElementById("dialog");
  forget("dialog-notice");
  if (dialog.open) return;
  asker = placeOf(document.activeElement);
  dialog.showModal();
}

// What is refused while a question is open is told in it: what is behind it nobody sees or hears.
function forget(notice) {
  document.getElementById(notice).replaceChildren();
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

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-copy], [data-close], svg.map");
  if (!target) return;
  if (target.dataset.copy) copy(target);
  else if ("close" in target.dataset) close(event);
  else zoom(target, event);
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "dialog-body") openDialog();
  if (event.detail.target.id === "notice") event.detail.target.scrollIntoView({ block: "nearest" });
});

// What was refused before is not so any more once somebody tries again.
document.addEventListener("htmx:beforeRequest", (event) => {
  const asking = event.detail.elt;
  if (asking.matches("form, a")) forget(asking.closest("dialog") ? "dialog-notice" : "notice");
});

// A form that is on its way is not sent a second time.
document.addEventListener(
  "submit",
  (event) => {
    if (!event.target.classList.contains("htmx-request")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  true,
);

const NO_ANSWER = {
  get: "The gateway does not answer. Try again in a moment.",
  post: "The gateway does not answer. It may have been done: load the page anew before you try again.",
};

function tellRefused(words) {
  const paragraph = document.createElement("p");
  paragraph.textContent = words;
  const box = document.createElement("div");
  box.className = "notice bad";
  box.append(paragraph);
  document.getElementById(isOpen() ? "dialog-notice" : "notice").replaceChildren(box);
  box.scrollIntoView({ block: "nearest" });
}

// A part that cannot be loaded stays as it is; whoever has sent something is told.
function failed(event) {
  if (event.detail.elt.dataset.live) show(true);
  else tellRefused(NO_ANSWER[event.detail.requestConfig.verb]);
}

document.addEventListener("htmx:sendError", failed);
document.addEventListener("htmx:timeout", failed);

document.addEventListener("htmx:beforeSwap", (event) => {
  const answer = event.detail.xhr;
  const isOurs = answer.getResponseHeader("X-Console") !== null;
  if (answer.status >= 400 && !isOurs) {
    event.detail.shouldSwap = false; // a proxy's page
    failed(event);
  } else if (answer.status >= 500 && event.detail.elt.dataset.live) {
    event.detail.shouldSwap = false;
    show(true);
  } else if (event.detail.target.id === "notice" && isOpen()) {
    event.detail.target = document.getElementById("dialog-notice");
  }
});

document.addEventListener("DOMContentLoaded", () => {
  const dialog = document.getElementById("dialog");
  // a secret is not lost by a slip
  dialog.addEventListener("cancel", (event) => {
    if (dialog.querySelector("[data-once]")) event.preventDefault();
  });
  dialog.addEventListener("close", () => {
    const at = document.activeElement;
    if (asker && (at === document.body || dialog.contains(at))) goTo(asker, document.body);
    heard(ALL); // what was done in it is shown behind it
  });
});

// A part in which something is about to happen is looked at again soon: one that has just come, and
// one that is as it was (304).
function lookAgain(part) {
  if ("soon" in part.dataset) refresh(part);
}

document.addEventListener("htmx:afterRequest", (event) => {
  const part = event.detail.elt;
  if (!part.dataset.live) return;
  const { status } = event.detail.xhr;
  if (status > 0 && status < 400) show(false);
  lookAgain(part);
});

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

// A part that loads anew leaves people where they were: with what they opened, how far they had
// scrolled, and the focus, wherever its place is among the others by now.
const PLACES = "a, button, summary, input, [tabindex]";
let left = null;

// What an element is, whichever others there are: by its address, or its name without what changes.
function nameOf(element) {
  const said = element.getAttribute("aria-label") ?? element.textContent.split("(")[0];
  return [element.tagName, element.getAttribute("href"), said.trim()].join("\n");
}

// Where an element is: its name, and its number among those of the same name.
function placeOf(element, part = document) {
  const name = nameOf(element);
  const same = [...part.querySelectorAll(PLACES)].filter((one) => nameOf(one) === name);
  return { name, number: same.indexOf(element) };
}

function goTo(place, part) {
  if (place.number < 0) return;
  const same = [...part.querySelectorAll(PLACES)].filter((one) => nameOf(one) === place.name);
  const found = same[place.number] ?? same.at(-1) ?? document.getElementById("main");
  found.focus({ preventScroll: true });
}

function opened(part) {
  return [...part.querySelectorAll("details[open] > summary")].map(nameOf);
}

function scrolled(part) {
  const moved = [...part.querySelectorAll(".scroll, pre")];
  return new Map(moved.map((one, place) => [`${place} ${one.ariaLabel}`, [one.scrollLeft, one.scrollTop]]));
}

function leave(part) {
  left = { open: opened(part), scrolled: scrolled(part), focus: placeOf(document.activeElement, part) };
}

function come(part) {
  if (!left || !part) return;
  for (const summary of part.querySelectorAll("details > summary")) {
    if (left.open.includes(nameOf(summary))) summary.parentElement.open = true;
  }
  for (const [place, one] of [...part.querySelectorAll(".scroll, pre")].entries()) {
    [one.scrollLeft, one.scrollTop] = left.scrolled.get(`${place} ${one.ariaLabel}`) ?? [0, 0];
  }
  goTo(left.focus, part);
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
