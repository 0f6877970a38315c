/* Whose own clock differs from the site's reads their time when they point at one. */
import { say } from "./words.js";

const OWN = new Intl.DateTimeFormat(document.documentElement.lang === "en" ? undefined : document.documentElement.lang, { dateStyle: "medium", timeStyle: "long" });

function name(times) {
  for (const time of times) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const own = say("{time} on your clock", { time: OWN.format(at) });
    time.dataset.site ??= time.title;
    time.title = time.dataset.site ? `${time.dataset.site} · ${own}` : own;
  }
}

/* How long ago, as the node writes it (core/words/formats.py); an open page grows older with its times. */
function age(time) {
  const minutes = Math.max(0, Math.floor((Date.now() - new Date(time.dateTime).getTime()) / 60000));
  if (minutes < 60) return minutes ? `${minutes} min` : "< 1 min";
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / (24 * 60))} d`;
}
setInterval(() => { for (const time of document.querySelectorAll("time[data-ago]")) time.textContent = age(time); }, 30000);

name(document.querySelectorAll("time[datetime]"));
document.addEventListener("htmx:afterSettle", (event) => name(event.target.querySelectorAll("time[datetime]")));
document.addEventListener("page:shown", () => name(document.querySelectorAll("time[datetime]")));
