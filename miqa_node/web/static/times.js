/* Whose own clock differs from the site's reads their time when they point at one. */
const OWN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

function name(times) {
  for (const time of times) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) time.title = `${OWN.format(at)} on your clock`;
  }
}

name(document.querySelectorAll("time[datetime]"));
document.addEventListener("htmx:afterSettle", (event) => name(event.target.querySelectorAll("time[datetime]")));
