/* The number beside each slider follows it. */
document.addEventListener("input", (event) => {
  const shown = event.target.type === "range" && event.target.parentElement.querySelector("output");
  if (shown) shown.textContent = Number(event.target.value).toLocaleString(document.documentElement.lang, { minimumFractionDigits: 2 });
});
