/* Whose own clock differs from the site's reads their time when they point at one. */
import { say } from "./words.js";

const OWN = new Intl.DateTimeFormat(document.documentElement.lang === "en" ? undefined : document.documentElement.lang, { dateStyle: "medium", timeStyle: "long" });

function name(times) {
  for (const time of times) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) time.title = say("{time} on your clock", { time: OWN.format(at) });
  }
}

name(document.querySelectorAll("time[datetime]"));
document.addEventListener("htmx:afterSettle", (event) => name(event.target.querySelectorAll("time[datetime]")));
