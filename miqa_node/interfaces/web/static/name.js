/* Without accounts people type their name: once for as long as the browser's tab is open. */
const REMEMBERED = "miqa-actor";

function begin() {
  const known = sessionStorage.getItem(REMEMBERED);
  for (const link of document.querySelectorAll("a[data-mine]")) {
    if (!known) continue;
    link.href += encodeURIComponent(known);
    link.hidden = false;
    if (new URLSearchParams(location.search).get("assignee") === known) link.setAttribute("aria-current", "true");
  }
  for (const field of document.querySelectorAll("input[data-remember]")) {
    field.value ||= known ?? "";
    field.form?.addEventListener("submit", () => sessionStorage.setItem(REMEMBERED, field.value));
  }
  /* Forms without a name field of their own take it from the one on the page. */
  for (const field of document.querySelectorAll("input[data-remembered]")) {
    field.form.addEventListener("submit", (event) => {
      const shown = document.querySelector("input[data-remember]");
      field.value = shown?.value.trim() || sessionStorage.getItem(REMEMBERED) || field.defaultValue;
      if (field.value) sessionStorage.setItem(REMEMBERED, field.value);
      else {
        event.preventDefault();
        shown?.focus();
        shown?.reportValidity();
      }
    });
  }
}
begin();
document.addEventListener("page:shown", begin);
