/* Single-key shortcuts of the worklist and study pages; each button shows its key. */

const typing = (target) => target.closest("input:not([type=checkbox]):not([type=range]), select, textarea, [contenteditable]");

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && typing(event.target)) return event.target.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (event.key === "?") return toggleHelp(event);
  if (event.key === "Escape" && document.getElementById("help")?.hidden === false) return toggleHelp(event);
  const button = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!button || button.disabled) return;
  event.preventDefault();
  if (button.matches("input:not([type=checkbox])")) button.focus();
  else button.click();
});

function toggleHelp(event) {
  const help = document.getElementById("help");
  if (!help) return;
  event.preventDefault();
  help.hidden = !help.hidden;
  if (!help.hidden) help.focus();
}
