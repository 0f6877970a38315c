"""Takes the README's picture of the worklist from a running node: python docs/screenshot.py URL FILE.

`make run` gives such a node, whose images are those of the package pydicom-data. Needs Debian's chromium.
"""

import shutil
import sys

from playwright.sync_api import sync_playwright


def main(url: str, file: str) -> None:
    """Write the whole page as PNG."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 600})
        page.goto(url, wait_until="networkidle")
        page.screenshot(path=file, full_page=True)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
