"""Every character that is drawn has a glyph, or is spelled: no empty boxes, no question marks."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from reportlab.pdfgen.canvas import Canvas

from miqa_node.stages.report import fonts
from miqa_node.stages.report.fonts import (
    SCRIPTS,
    draw_on_picture,
    draw_text,
    font_for,
    marked_up,
    missing_scripts,
    printable,
)
from miqa_node.stages.report.right_to_left import as_drawn
from tests.stages.report.test_text import COMMENTS


@pytest.mark.parametrize("language", sorted(COMMENTS))
def test_what_is_drawn_has_a_glyph_in_its_font(language: str) -> None:
    drawn = printable(COMMENTS[language])
    assert "?" not in drawn
    for font, part in fonts.runs(drawn):
        assert font.characters.issuperset(map(ord, part))


def test_without_fonts_of_the_system_other_letters_are_spelled(monkeypatch: pytest.MonkeyPatch) -> None:
    own = fonts.fonts()[:1]
    monkeypatch.setattr(fonts, "fonts", lambda: own)
    fonts._font_of.cache_clear()
    try:
        assert printable("Größe 患") == "Größe <U+60A3>"
        assert {"Chinese", "Japanese", "Korean", "Arabic"} <= set(missing_scripts())
        assert font_for("Raum 患", "Helvetica") == ("Vera", "Raum <U+60A3>")
    finally:
        fonts._font_of.cache_clear()


def test_arabic_letters_are_joined_and_turned() -> None:
    """سلام: seen, the ligature of lam and alef, meem; from the left as they are drawn."""
    assert as_drawn("سلام") == "\ufee1\ufefc\ufeb3"
    assert as_drawn("x تحرك 12") == "x \ufed9\ufeae\ufea4\ufe97 12"
    assert as_drawn("המטופל זז (3)") == "זז לפוטמה (3)"
    assert as_drawn("Größe 5 µm") == "Größe 5 µm"


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
def test_a_page_holds_the_words(tmp_path: Path) -> None:
    texts = [text for script, text in SCRIPTS.items() if script not in missing_scripts() and script != "Arabic"]
    texts = [text for text in texts if as_drawn(text) == text]
    file = tmp_path / "page.pdf"
    canvas = Canvas(str(file))
    for n, text in enumerate(["Röntgen", *texts]):
        draw_text(canvas, 72, 700 - 30 * n, text, 10)
    canvas.save()
    printed = subprocess.run(["pdftotext", file, "-"], capture_output=True, text=True, check=True).stdout
    assert all(text in printed for text in ["Röntgen", *texts])


def test_a_picture_shows_different_letters_differently() -> None:
    def drawn(text: str) -> np.ndarray:
        image = Image.new("L", (200, 40))
        draw_on_picture(ImageDraw.Draw(image), (2, 2), text, 20, 255)  # type: ignore[arg-type]
        return np.asarray(image)

    for letters in SCRIPTS.values():
        first, second = drawn(letters[0]), drawn(letters[1])
        assert first.any()
        assert (first != second).any()  # boxes would be alike


def test_paragraphs_name_the_font_of_what_helvetica_lacks() -> None:
    assert marked_up("a < ü") == "a &lt; ü"
    assert "κ" in marked_up("κ") or "U+03BA" in marked_up("κ")
    assert font_for("Größe", "Helvetica") == ("Helvetica", "Größe")
