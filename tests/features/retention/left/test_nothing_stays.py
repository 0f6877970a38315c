"""Each place that holds text gets a word of its own, the patient is erased, and then every surface is searched."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from multiprocessing.util import get_temp_dir
from pathlib import Path

import pytest

from miqa_node.interfaces.cli.app import run
from tests.features.retention.left.surfaces import Found, in_folders, in_tables, lines, told, without
from tests.features.retention.left.visit import STUDY, Visit, drop, fetch, images, send, talk, visit, wait_for_files
from tests.waiting import wait_until

pytestmark = pytest.mark.more

MAY_STAY = (
    "Manufacturer", "ManufacturerModelName", "StationName", "DeviceSerialNumber", "DetectorID", "SoftwareVersions",
    "IssuerOfPatientID",
)  # fmt: skip
"""What a machine is, and who assigned the Patient ID: the list of docs/how-to/retention.md."""
OUT_OF_REACH = ("out", "exports-before")
"""Folders below that of the test: what was delivered, and exports that were taken away."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where all files lie, temporary ones included."""
    get_temp_dir()  # of the worker processes, for all of this run
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    return tmp_path


def test_nothing_of_an_erased_patient_stays(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with visit(folder) as visited:
        sent = images(visited.words)
        send(visited.node, [sent[name] for name in sent if name != "part"])
        drop(visited, {"part": sent["part"], "chest": sent["chest"]})
        wait_for_files(visited, 3)
        stay(visited, len(sent))
        fetch(visited, sent["chest"])
        before = search(visited, capfd)
        assert {"chest SeriesDescription", "part BodyPartExamined", "typed comment"} <= set().union(*before.values())
        leave(visited, capfd)
        rest = without(search(visited, capfd), MAY_STAY)
    assert rest == {}, "\n".join(told(rest))


def stay(visited: Visit, images: int) -> None:
    """All is judged, people say something to each, all is judged again, exported and backed up."""
    wait_until(lambda: visited.decided(images), what="all are judged")
    talk(visited)
    wait_until(lambda: visited.decided(images), what="all are judged again")
    export(visited, visited.folder / "exports-before")
    command(visited, "backup", str(visited.folder / "backup"))


def leave(visited: Visit, capfd: pytest.CaptureFixture[str]) -> None:
    """The patient is erased, and what is exported and backed up now is without it."""
    who = ("--as", "kim", "--reason", "asked", "--yes", "--out", str(visited.folder / "proof.json"))
    command(visited, "erase", "patient", visited.words("PatientID"), *who)
    capfd.readouterr()  # it names files to whoever erases
    export(visited, visited.folder / "exports")
    command(visited, "backup", str(visited.folder / "backup"))


def command(visited: Visit, *words: str) -> None:
    """A command of the node; it succeeds."""
    assert run([*words, "--config", str(visited.folder / "miqa.toml")]) == 0, words


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
    """All surfaces in reach: tables, files, their names, the log, metrics, and pages."""
    folders = [path for path in visited.folder.iterdir() if path.is_dir() and path.name not in OUT_OF_REACH]
    files = ((path.name, path.read_bytes()) for path in visited.folder.iterdir() if path.is_file())
    shown = capfd.readouterr()
    pages = ((path, visited.ask("GET", path).content) for path in addresses())
    texts = [("log", (shown.out + shown.err).encode()), *pages, *files]
    tables = in_tables(visited.node.database, visited.words) | in_folders(folders, visited.words)
    return tables | dict(lines(texts, visited.words))


def addresses() -> Sequence[str]:
    """Metrics, and pages that show images."""
    pages = ("", "images", f"studies/{STUDY}", "analysis", "ranges", "phantoms", "audit", "operations")
    return ("/metrics", *(f"/{page}" for page in pages))
