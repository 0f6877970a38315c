"""Each place that holds text gets a word of its own, the patient is erased, and then every surface is searched."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from miqa_node.interfaces.cli.app import run
from tests.features.retention.left.surfaces import Found, in_folders, in_tables, lines, told, without
from tests.features.retention.left.visit import STUDY, Visit, drop, images, send, talk, visit, wait_for_files
from tests.waiting import wait_until

pytestmark = pytest.mark.more

MAY_STAY = (
    "Manufacturer", "ManufacturerModelName", "StationName", "DeviceSerialNumber", "DetectorID", "SoftwareVersions",
    "IssuerOfPatientID", "typed name of a view",
)  # fmt: skip
"""What a machine is, who assigned the Patient ID, and what people type where the page says not to name anybody: the
list of docs/how-to/retention.md.
"""
OUT_OF_REACH = ("out", "exports-before")
"""Folders below that of the test: what was delivered, and exports that were taken away."""


def test_nothing_of_an_erased_patient_stays(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    with visit(tmp_path) as visited:
        sent = images(visited.words)
        send(visited.node, [sent[name] for name in sent if name != "part"])
        drop(visited, {"part": sent["part"], "chest": sent["chest"]})
        wait_for_files(visited, 3)
        wait_until(lambda: visited.decided(len(sent)), what="all are judged")
        talk(visited)
        wait_until(lambda: visited.decided(len(sent)), what="all are judged again")
        export(visited, tmp_path / "exports-before")
        command(visited, "backup", str(tmp_path / "backup"))
        before = search(visited, capfd)
        assert {"chest SeriesDescription", "part BodyPartExamined", "typed comment"} <= set().union(*before.values())
        erase(visited, tmp_path / "proof.json")
        export(visited, tmp_path / "exports")
        command(visited, "backup", str(tmp_path / "backup"))
        left = without(search(visited, capfd), MAY_STAY)
        Path("/tmp/erase_left.txt").write_text("BEFORE\n" + "\n".join(told(before)) + "\nLEFT\n" + "\n".join(told(left)))
    assert left == {}, "\n".join(told(left))


def command(visited: Visit, *words: str) -> None:
    """A command of the node; it succeeds."""
    assert run([*words, "--config", str(visited.folder / "miqa.toml")]) == 0, words


def erase(visited: Visit, proof: Path) -> None:
    """As an administrator does."""
    who = ("--as", "kim", "--reason", "asked", "--yes", "--out", str(proof))
    command(visited, "erase", "patient", visited.words("PatientID"), *who)


def export(visited: Visit, folder: Path) -> None:
    """All exports that there are."""
    folder.mkdir()
    for words in (
        ("labels", "export", str(folder / "labels"), "--images", "none"),
        ("analysis", "export", "images", "--out", str(folder / "images.csv")),
        ("analysis", "export", "labels", "--out", str(folder / "labels.csv")),
        ("audit", "export", str(folder / "audit.jsonl")),
    ):
        command(visited, *words)


def search(visited: Visit, capfd: pytest.CaptureFixture[str]) -> Found:
    """All surfaces in reach."""
    folders = [path for path in visited.folder.iterdir() if path.is_dir() and path.name not in OUT_OF_REACH]
    shown = capfd.readouterr()
    pages = {path: visited.ask("GET", path).text for path in addresses()}
    texts = [("log", shown.out + shown.err), *pages.items()]
    return in_tables(visited.node.database, visited.words) | in_folders(folders, visited.words) | dict(
        lines(texts, visited.words)
    )


def addresses() -> Sequence[str]:
    """Metrics, and pages that show images."""
    return ("/metrics", "/", "/images", f"/studies/{STUDY}", "/analysis", "/ranges", "/phantoms", "/audit", "/operations")

