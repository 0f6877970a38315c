/* The worklist by keyboard and in numbers: what is selected and where one stands survive every live update. */

import { send } from "../in_place.js";
import { say } from "../words.js";

const bulk = document.getElementById("bulk");
const picked = document.getElementById("picked");
const help = document.getElementById("help");
const live = document.getElementById("live");
const outcome = document.getElementById("outcome");
const selected = new Set();
let current = null;
let peeking = false; // whether the picture of the current row is shown large

const rows = () => [...document.querySelectorAll("[data-study]")];
const top = (row) => row.getBoundingClientRect().top;
const inSight = () => rows().filter((row) => top(row) >= 0 && top(row) < innerHeight);
const typing = (target) => target.closest("input:not([type=checkbox]), select, textarea");

function go(step) {
  const all = rows();
  const at = all.findIndex((row) => row.dataset.study === current);
  const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + step))];
  if (!next) return;
  current = next.dataset.study;
  mark();
  next.querySelector("a.open").focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function mark() {
  for (const row of rows()) {
    row.classList.toggle("current", row.dataset.study === current);
    row.classList.toggle("peek", peeking && row.dataset.study === current);
    const box = row.querySelector("input[name=study]");
    if (box) box.checked = selected.has(row.dataset.study);
  }
  const every = document.getElementById("select-all");
  if (every) every.checked = rows().every((row) => selected.has(row.dataset.study));
  place();
  if (!bulk) return;
  bulk.hidden = selected.size === 0;
  picked.textContent = say("{count} selected", { count: selected.size });
}

/* The large picture opens below its row, above it where there is no room below, else in the corner of the window. */
function place() {
  const row = document.querySelector("li.peek");
  if (!row) return;
  row.classList.remove("above", "corner");
  const side = row.querySelector(".thumb")?.getBoundingClientRect().height ?? 0;
  const { top, bottom } = row.getBoundingClientRect();
  if (bottom + side <= innerHeight) return;
  row.classList.add(top >= side ? "above" : "corner");
}
addEventListener("scroll", place, { passive: true });

let last = null;

function pick(study, yes = !selected.has(study)) {
  if (yes) selected.add(study);
  else selected.delete(study);
  last = study;
  mark();
}

/* All rows between the one that was selected last and this one. */
function pickRange(study) {
  const studies = rows().map((row) => row.dataset.study);
  const ends = [studies.indexOf(last), studies.indexOf(study)].sort((a, b) => a - b);
  if (ends[0] < 0) return pick(study, true);
  for (const one of studies.slice(ends[0], ends[1] + 1)) selected.add(one);
  last = study;
  mark();
}

function pickAll(yes = rows().some((row) => !selected.has(row.dataset.study))) {
  for (const row of rows()) selected[yes ? "add" : "delete"](row.dataset.study);
  mark();
}

function decide(action) {
  if (!bulk || (!selected.size && !current)) return;
  if (!selected.size) pick(current, true);
  mark(); // a live update that is not settled yet has taken the ticks away, and only ticked boxes are sent
  bulk.hidden = false;
  const name = bulk.elements.actor;
  if (name && !name.value) name.focus();
  else bulk.requestSubmit(document.getElementById(`bulk-${action}`));
}

function toggleHelp() {
  help.hidden = !help.hidden;
  if (!help.hidden) help.focus();
}

const follow = (rel) => document.querySelector(`a[rel=${rel}]`)?.click();
const keys = {
  j: () => go(1),
  k: () => go(-1),
  x: () => current && pick(current),
  X: () => current && pickRange(current),
  A: () => pickAll(),
  z: () => {
    peeking = !peeking;
    if (peeking && !rows().some((row) => row.dataset.study === current)) current = inSight()[0]?.dataset.study ?? null;
    mark();
  },
  c: () => decide("claim"),
  a: () => decide("accept"),
  d: () => decide("dismiss"),
  u: () => outcome.querySelector("[data-key=u]")?.click(),
  "/": () => document.querySelector("input[name=search]").focus(),
  n: () => follow("next"),
  p: () => follow("prev"),
  "?": toggleHelp,
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && typing(event.target)) return event.target.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (event.key === "Escape" && !help.hidden) return toggleHelp();
  // A live update may have taken the row away that had the focus: Enter still opens the current study.
  if (event.key === "Enter" && event.target === document.body) return rows().find((row) => row.dataset.study === current)?.querySelector("a.open").click();
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
document.getElementById("help-button").addEventListener("click", toggleHelp);
document.addEventListener("change", (event) => {
  if (event.target.name === "study" && event.target.value !== ranged) pick(event.target.value, event.target.checked);
  if (event.target.id === "select-all") pickAll(event.target.checked);
  ranged = null;
});
let ranged = null; // a box that Shift and a click have dealt with
document.addEventListener("click", (event) => {
  if (event.target.name !== "study" || !event.shiftKey || !last) return;
  ranged = event.target.value;
  pickRange(event.target.value);
});
document.addEventListener("focusin", (event) => {
  const row = event.target.closest("[data-study]");
  if (row && row.dataset.study !== current) {
    current = row.dataset.study;
    mark();
  }
});
/* A live update replaces the list: what stood there before stays marked, and the focus stays on its study. */
document.body.addEventListener("htmx:beforeSwap", () => {
  document.body.dataset.refocus = document.activeElement?.closest("[data-study]") ? "yes" : "";
});
/* The row under the pointer stays there, or else the current one, or else the top ones of a list that was scrolled. */
let still = [];
let narrowed = false; // whether the facets are unfolded
const isList = (event) => event.detail.target?.id === "list";
document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (!isList(event)) return;
  narrowed = document.querySelector(".narrow-by")?.open;
  const seen = inSight();
  const held = seen.filter((row) => row.matches(":hover, .current")).sort((row) => (row.matches(":hover") ? -1 : 1));
  still = [...held, ...(scrollY || held.length ? seen : [])].map((row) => [row.dataset.study, top(row)]);
});
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (!isList(event)) return;
  const fold = document.querySelector(".narrow-by");
  if (fold && narrowed) fold.open = true;
  const now = new Map(rows().map((row) => [row.dataset.study, row]));
  const [study, y] = still.find(([study]) => now.has(study)) ?? [];
  if (study) scrollBy({ top: now.get(study).getBoundingClientRect().top - y, behavior: "instant" });
});
document.body.addEventListener("htmx:afterSettle", () => {
  mark();
  live.dataset.updates = Number(live.dataset.updates ?? 0) + 1;
  const lost = document.activeElement === document.body; // else a question has been asked meanwhile, and has the focus
  if (document.body.dataset.refocus && lost) document.querySelector(".current a.open")?.focus({ preventScroll: true });
});
document.body.addEventListener("htmx:sseOpen", () => { live.textContent = say("live"); live.className = "on"; });
document.body.addEventListener("htmx:sseError", () => { live.textContent = say("No connection to the node"); live.className = "off"; });

/* What is done to the selected studies is answered above the list, which stays where it is. */
document.addEventListener("submit", async (event) => {
  const form = event.target;
  const action = form.getAttribute("action") ?? "";
  if (event.defaultPrevented || form.dataset.whole || !(action === "/worklist/bulk" || action === "/worklist/bulk/undo")) return;
  event.preventDefault();
  const answer = await send(form, event.submitter);
  if (!answer) return;
  outcome.replaceChildren(...document.adoptNode(answer.page.querySelector("main")).children);
  outcome.querySelector("[autofocus]")?.focus();
  if (!answer.ok || outcome.querySelector("form[action='/worklist/bulk']")) return;
  selected.clear();
  mark();
  htmx.trigger("#list", "decided");
});
outcome.addEventListener("click", (event) => {
  if (!event.target.closest("a[href]")) return;
  event.preventDefault();
  outcome.replaceChildren();
  rows().find((row) => row.dataset.study === current)?.querySelector("a.open").focus({ preventScroll: true });
});
