/* The page of a study: one image at a time, chosen in the film strip; keys of the image that is shown; what comes next. */

import { send, sendWhole, show as showPage } from "../in_place.js";

let images = [];
const ONWARD = "miqa-onward";
const typing = (target) => target.closest("input:not([type=checkbox]):not([type=range]), select, textarea");
let current = "1";

function show(number) {
  if (!images.some((one) => one.dataset.image === number)) return;
  current = number;
  for (const one of document.querySelectorAll("[data-image]")) one.hidden = one.dataset.image !== number;
  for (const one of document.querySelectorAll("[data-show]")) {
    if (one.dataset.show === number) one.setAttribute("aria-current", "true");
    else one.removeAttribute("aria-current");
  }
  document.querySelector(`[data-show="${number}"]`)?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

const step = (by) => show(String(((Number(current) - 1 + by + images.length) % images.length) + 1));
const viewer = () => images[Number(current) - 1]?.querySelector("[data-viewer]")?.viewer;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
  if (event.key === "[" || event.key === "]") step(event.key === "]" ? 1 : -1);
  else if (event.key === "h") images[Number(current) - 1]?.querySelector("[data-overlay]")?.click();
  else if (!viewer()?.press(event.key)) return;
  event.preventDefault();
});

function begin() {
  images = [...document.querySelectorAll("article[data-image]")];
  for (const link of document.querySelectorAll("[data-show]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      show(link.dataset.show);
    });
  }
  const onward = document.querySelector("input[name=onward]");
  if (onward) {
    onward.checked = localStorage.getItem(ONWARD) === "yes";
    onward.addEventListener("change", () => localStorage.setItem(ONWARD, onward.checked ? "yes" : "no"));
  }
  document.getElementById("help-button")?.addEventListener("click", () => {
    const help = document.getElementById("help");
    help.hidden = !help.hidden;
    if (!help.hidden) help.focus();
  });
  show(location.hash.match(/^#image-(\d+)(-slice-\d+)?$/)?.[1] ?? "1");
}

/* What is decided, claimed or said shows the next page in place; a rejection first asks, on a page of its own. */
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.dataset.whole || !form.closest(".act, .comments, .strip")) return;
  if (event.submitter?.value === "confirmed") return;
  event.preventDefault();
  const answer = await send(form, event.submitter);
  if (answer?.ok) showPage(answer);
  else if (answer) sendWhole(form, event.submitter);
});

begin();
document.addEventListener("page:shown", begin);
