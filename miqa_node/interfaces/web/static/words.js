/* What scripts say, in the language of the page: its texts stand in the page, English ones are their own keys. */

const texts = JSON.parse(document.getElementById("texts")?.textContent || "{}");

export function say(text, values = {}) {
  return (texts[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/* A number as the language of the page writes it. */
export const number = (value, digits) =>
  value.toLocaleString(document.documentElement.lang, { minimumFractionDigits: digits, maximumFractionDigits: digits });
