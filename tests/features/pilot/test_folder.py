"""Folders, ZIP files and media as the source of a pilot, by the commands."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from miqa_node.errors import SettingsError
from miqa_node.features.pilot.opening import is_archive
from miqa_node.features.pilot.rows import images
from tests.features.pilot.making import Site, as_file, past_images


def test_a_word_is_a_destination_and_a_path_has_a_slash() -> None:
    assert (is_archive(["PACS"]), is_archive(["./a", "b/DICOMDIR"])) == (True, False)
    with pytest.raises(SettingsError):
        is_archive(["PACS", "./a"])


@pytest.mark.more
def test_folders_and_zip_files_are_read_by_the_commands(tmp_path: Path, samples: Path) -> None:
    site = Site(tmp_path / "site")
    site.name_archives()
    first, second, third, hand = past_images(samples, 4)
    third.Modality, hand.BodyPartExamined = "DX", "HAND"
    folder, packed = tmp_path / "images", tmp_path / "more.zip"
    folder.mkdir()
    for name, image in (("1", first), ("again", first), ("hand", hand)):
        (folder / f"{name}.dcm").write_bytes(as_file(image))
    (folder / "no-image.dcm").write_bytes(b"nothing")
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.dcm", as_file(second))
        archive.writestr("b.dcm", as_file(third))
    source = ("--from", f"{folder}/", "--from", str(packed), "--modality", "CR", "--body-part", "chest")
    planned = json.loads(site.run("pilot", "plan", "files", *source, "--json"))
    assert (planned["protocol"]["planned"], planned["protocol"]["body_parts"]) == (3, {"CHEST": 3})
    counts = json.loads(site.run("pilot", "run", "files", "--json"))
    assert (counts["found"], counts["fetched"], counts["failed"]) == (2, 2, 0), "the same image twice counts once"
    assert "SHA-256" not in site.run("pilot", "run", "files")
    with site.transaction() as transaction:
        assert {row.sop_instance_uid for row in images.select(transaction, "files")} == {
            first.SOPInstanceUID, second.SOPInstanceUID,
        }  # fmt: skip
    assert not list((site.folder / "incoming" / "pilot").iterdir()), "nothing stays unpacked"
