"""What a person would not accept on a page, as rules: each returns the faults of the page as it stands."""

from __future__ import annotations

from typing import Any

MOST_LINES, MOST_ROWS, MOST_TOLD = 4, 50, 4

FAULTS = """([mostLines, mostRows]) => {
  const found = [];
  const seen = (one) => one.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    && !one.closest(".away, kbd, svg, [hidden]") && one.getClientRects().length > 0;
  const named = (one) => `${one.tagName.toLowerCase()}.${one.className?.baseVal ?? one.className}`
    + ` "${one.textContent.trim().replace(/\\s+/g, " ").slice(0, 60)}"`;
  const range = document.createRange();
  const lines = (rects) => {
    const tops = [...rects].filter((one) => one.width > 1).map((one) => one.bottom).sort((a, b) => a - b);
    return tops.filter((one, n) => n === 0 || one - tops[n - 1] > 8).length;
  };

  // A word of letters stands on one line: after a hyphen or a slash it may go on in the next.
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    if (!text.data.trim() || !seen(text.parentElement)) continue;
    for (const word of text.data.matchAll(/[\\p{L}\\u2019]{2,}/gu)) {
      const around = text.data.slice(0, word.index).match(/\\S*$/)[0] + text.data.slice(word.index).match(/^\\S*/)[0];
      if (/[\\d@_.]\\S/.test(around)) continue;
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      if (lines(range.getClientRects()) > 1) found.push(`broken: "${word[0]}" in ${named(text.parentElement)}`);
    }
  }

  for (const cell of document.querySelectorAll("main :is(td, th)")) {
    if (!seen(cell) || cell.querySelector("table, form, ul, ol, details")) continue;
    // On a phone cells stand below each other and are paragraphs: there a sentence may take twice as many.
    const most = getComputedStyle(cell).display === "table-cell" ? mostLines : 2 * mostLines;
    range.selectNodeContents(cell);
    if (lines(range.getClientRects()) > most) found.push(`more than ${most} lines: ${named(cell)}`);
  }

  const scrolls = (one) => ["auto", "scroll"].includes(getComputedStyle(one).overflowX);
  const parts = "svg, img, table, td, th, p, h1, h2, h3, dd, li, button, input, select, a";
  for (const inner of document.querySelectorAll(`main :is(${parts})`)) {
    const outer = inner.parentElement.closest("td, th, article, section, figure, li, .card, .said, main");
    if (!outer || !inner.checkVisibility() || inner.closest(".away, [hidden], .viewer, svg svg")) continue;
    if (getComputedStyle(inner).position === "absolute") continue;
    let between = inner.parentElement;
    while (between !== outer && !scrolls(between)) between = between.parentElement;
    if (between !== outer || scrolls(outer)) continue;
    const [at, within] = [inner.getBoundingClientRect(), outer.getBoundingClientRect()];
    if (at.width && (at.right > within.right + 1.5 || at.left < within.left - 1.5))
      found.push(`outside of ${outer.tagName.toLowerCase()}.${outer.className}: ${named(inner)}`);
  }
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) found.push(`the page scrolls sideways by ${wide} px`);

  for (const body of document.querySelectorAll("main :is(tbody, ol, ul)")) {
    const rows = [...body.children].filter(seen).length;
    if (rows > mostRows) found.push(`${rows} rows without pages: ${named(body.parentElement)}`);
  }
  return [...new Set(found)];
}"""


def layout_faults(page: Any) -> list[str]:
    """Broken words, cells above four lines, what stands outside of its container, lists without pages; the first."""
    faults = [str(one) for one in page.evaluate(FAULTS, [MOST_LINES, MOST_ROWS])]
    return [*faults[:MOST_TOLD], f"and {len(faults) - MOST_TOLD} more"] if len(faults) > MOST_TOLD else faults


def below_first_screen(page: Any, selector: str) -> list[str]:
    """The first visible one of these begins on the first screen, and there is one."""
    height = page.viewport_size["height"]
    tops = page.evaluate(
        """selector => [...document.querySelectorAll(selector)].filter(one => one.checkVisibility())
            .map(one => one.getBoundingClientRect().top + scrollY)""",
        selector,
    )
    if not tops:
        return [f"there is no {selector}"]
    return [] if min(tops) < height - 20 else [f"{selector} begins at {min(tops):.0f} of {height} px"]
