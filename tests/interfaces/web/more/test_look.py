"""The page that looks at one image: judged as by the pipeline, kept only when asked, ZIP files within limits."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from miqa_node.errors import ArchiveError
from miqa_node.stages.receive.zip_file import members
from tests.interfaces.web.test_look import limits
from tests.interfaces.web.test_predict import dicom, node, picture  # noqa: F401 - node is a fixture


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_whatever_is_damaged_in_an_archive_is_an_error_with_words(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as made:
        made.writestr("a", bytes(range(256)) * 40)
    good = (tmp_path / "a.zip").read_bytes()
    count = 0
    for at in range(len(good)):
        path = tmp_path / f"{at}.zip"
        path.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        try:
            list(members(path, tmp_path / f"out{at}", limits()))
        except ArchiveError:
            count += 1
    assert count > 100
