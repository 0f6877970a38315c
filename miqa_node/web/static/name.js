/* Without accounts people type their name: once for as long as the browser's tab is open. */
const REMEMBERED = "miqa-actor";
for (const field of document.querySelectorAll("input[data-remember]")) {
  field.value ||= sessionStorage.getItem(REMEMBERED) ?? "";
  field.form?.addEventListener("submit", () => sessionStorage.setItem(REMEMBERED, field.value));
}
