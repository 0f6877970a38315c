"""Catalogues are read as they are written: nothing is compiled, so nothing can be missing or old."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from miqa_node.core.language.catalogue import catalogue
from miqa_node.core.language.po_file import PoFile
from tests.conftest import ROOT
from tests.core.language.sources import read

HEADER = 'msgid ""\nmsgstr ""\n"Plural-Forms: nplurals=3; plural=(n == 1 ? 0 : n < 5 ? 1 : 2);\\n"\n\n'


def written(folder: Path, text: str) -> PoFile:
    file = folder / "miqa.po"
    file.write_text(HEADER + text, "utf-8")
    return PoFile(file)


def test_a_catalogue_says_what_babel_reads_in_it() -> None:
    german = catalogue("de")
    texts: dict[str, object] = {}
    expected: dict[str, object] = {}
    for one in read("de"):
        if isinstance(one.id, str):
            texts[one.id], expected[one.id] = german.gettext(one.id), one.string
        else:
            texts[one.id[0]], expected[one.id[0]] = (
                german.ngettext(one.id[0], one.id[1], 1),
                (one.string or "")[0],
            )
    del texts[""], expected[""]
    assert len(texts) > 2000
    assert texts == expected
    assert german.ngettext("{count} study", "{count} studies", 2) == "{count} Untersuchungen"


def test_a_catalogue_is_sorted_and_names_no_places() -> None:
    """Two branches that add messages change other lines, and a text that moves changes none."""
    ids = [one.id if isinstance(one.id, str) else one.id[0] for one in read("de")]
    assert ids == sorted(ids)
    assert [one.id for one in read("de") if one.locations] == []


def test_a_language_has_its_own_plural_forms(tmp_path: Path) -> None:
    text = 'msgid "day"\nmsgid_plural "days"\nmsgstr[0] "den"\nmsgstr[1] "dny"\nmsgstr[2] "dní"\n'
    assert [written(tmp_path, text).ngettext("day", "days", n) for n in (1, 3, 5)] == ["den", "dny", "dní"]


def test_long_and_quoted_texts_are_one_text_and_untranslated_ones_stay(tmp_path: Path) -> None:
    text = '#: a/place.html\nmsgid ""\n"Line \\"one\\"\\n"\n"and\\ttwo"\nmsgstr "Zwei"\n\nmsgid "new"\nmsgstr ""\n'
    made = written(tmp_path, text)
    assert made.gettext('Line "one"\nand\ttwo') == "Zwei"
    assert made.gettext("new") == "new"


@pytest.mark.parametrize("line", ["<<<<<<< HEAD", 'msgid "open', 'msgctxt "menu"', "Hallo"])
def test_a_damaged_catalogue_is_an_error_with_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(ValueError, match="line 5"):
        written(tmp_path, f'{line}\nmsgstr "Hallo"\n')


def test_the_history_keeps_nothing_that_is_compiled_or_generated_from_migrations() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in files if name.endswith((".mo", ".sqlite.sql", ".pyc"))] == []
