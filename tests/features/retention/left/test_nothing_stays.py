"""Each place that holds text gets a word of its own, the patient is erased, and then every surface is searched."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from multiprocessing.util import get_temp_dir
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydicom.datadict import dictionary_description

from miqa_node.features.analysis.monthly_reports import keep_last_month
from miqa_node.features.analysis.work.counting import AnalysisCounter
from miqa_node.features.operations.work.indexing import ResultIndexing
from miqa_node.features.retention.work.erasures import NOT_REACHED
from miqa_node.features.usual_ranges.work import HistoryWork
from miqa_node.interfaces.cli.app import run
from miqa_node.runtime.store import tables as t
from tests.conftest import ROOT
from tests.features.retention.left.surfaces import Found, empty_columns, in_folders, in_tables, lines, told, without
from tests.features.retention.left.visit import (
    STUDY,
    Visit,
    as_file,
    drop,
    fetch,
    images,
    pictures,
    send,
    store_over_web,
    talk,
    upload,
    visit,
    wait_for_files,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.more


def _columns(table: str, names: str) -> list[str]:
    return [f"{table}.{name}" for name in names.split()]


MAY_STAY = (
    "Manufacturer", "ManufacturerModelName", "StationName", "DeviceSerialNumber", "DetectorID", "SoftwareVersions",
    "IssuerOfPatientID",
)  # fmt: skip
"""What a machine is, and who assigned the Patient ID: the list of docs/how-to/retention.md."""
HOLDING = {
    "acquisition_days.value", "acquisitions.operator", "acquisitions.room", "acquisitions.body_part",
    "assessments.document", "decisions.comment", "delivery_events.comment", "dispositions.reasons", "events.body",
    "instances.body_part", "instances.header", "instances.modality", "instances.view", "patients.patient_id",
    "phantom_scans.coil", "phantom_series.comment", "reassessments.comment", "reassessments.earlier",
    "results.patient_id", "source_headers.patient_name", "studies.patient_name", "worklist_events.comment",
    "worklist_facets.label",
}  # fmt: skip
"""What holds words before the erasure; else the search finds nothing because there is nothing."""
UNFILLED = {
    # What a package, a shadow, a copy, a phantom that is told, a conflict, marks and readings leave: codes, UIDs, names
    # of models and of staff, and texts that are emptied whole, which test_erased_texts fills.
    *_columns("acquisition_findings", "detector finding patient_key"),
    *_columns("acquisitions", "model reject_reason"),
    *_columns("assessments", "model_name model_sha256 model_version"),
    *_columns("copies", "calling_ae_title header peer_address"),
    *_columns("damages", "object_key state"),
    *_columns("decisions", "reason"),
    *_columns("deliveries", "note note_phrase"),
    *_columns("instances", "removal_cause"),
    # Names of devices, strengths and verdict's names of what teaches a room: nothing here does, no room of it learns.
    *_columns(
        "room_images",
        "body_part bounds degrees detector exposure flags graph label package room software view",
    ),
    *_columns("label_requests", "first_reader kind"),
    *_columns("labels", "findings model_name model_sha256 model_version reason regions"),
    *_columns("object_marks", "actor regions"),
    *_columns("patient_conflicts", "comment resolved_by"),
    *_columns("phantom_kinds", "actor kind"),
    *_columns("phantom_scans", "kind"),
    *_columns("phantom_signatures", "actor comment"),
    *_columns("phantom_values", "name reading unit"),
    *_columns(
        "pilot_images",  # which go whole, and tests/features/pilot fills
        "authority body_part document failure findings modality outcome own patient_id pilot place room stratum"
        " study_date trials unassessed verdict view",
    ),
    *_columns("pilot_readings", "grade reader reasons"),
    *_columns("pilot_sample", "loss pilot"),
    *_columns("positionings", "kind"),
    *_columns("reader_study_images", "reasons study verdict"),
    *_columns("reassessments", "document failure"),
    *_columns("shadow_assessments", "document model_sha256 package policy_version verdict"),
    *_columns("usual_series", "unusual"),
    *_columns("worklist", "claimed_by comment resolution resolved_by"),
    *(
        column
        for table in ("results", "source_headers")  # of names in other scripts, and of sequences
        for column in _columns(
            table,
            "patient_name_ideographic patient_name_phonetic performed_procedure_step_start_date"
            " performed_procedure_step_start_time referring_physician_name_ideographic"
            " referring_physician_name_phonetic requested_procedure_id scheduled_procedure_step_id",
        )
    ),
}
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
        assert before.keys() >= HOLDING, HOLDING - before.keys()
        assert any("reports/rejects-" in surface for surface in before)
        assert {"chest SeriesDescription", "part BodyPartExamined", "typed comment"} <= set().union(*before.values())
        assert empty_columns(visited.node.database) <= UNFILLED, "fill the column, or say here why not"
        leave(visited, capfd)
        rest = without(search(visited, capfd), MAY_STAY)
    assert rest == {}, told(rest)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.peers)])
def test_nothing_stays_of_what_came_by_any_other_way(
    folder: Path, capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest, kind: str
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else ""
    with visit(folder, url) as visited:
        sent = images(visited.words)
        store_over_web(visited, [sent["part"], sent["strange"]])
        upload(visited, {f"{visited.words('name of an upload')}.dcm": as_file(sent["chest"])}, keep=True)
        upload(visited, {f"{visited.words('name of a look')}.dcm": as_file(sent["photo"])}, keep=False)
        upload(visited, pictures(visited.words), keep=True)
        send(visited.node, [sent[name] for name in sent if name.startswith("slice")])
        drop(visited, {"photo": sent["photo"]})
        wait_for_files(visited, 2)
        stay(visited, len(sent) + 2)
        before = search(visited, capfd)
        assert before.keys() >= HOLDING, HOLDING - before.keys()
        of_pictures = {one for places in before.values() for one in places if one.startswith("picture ")}
        assert of_pictures == set(), "a picture names no patient, so it cannot be erased: nothing of its text is kept"
        leave(visited, capfd)
        rest = without(search(visited, capfd), MAY_STAY)
    assert rest == {}, told(rest)


def stay(visited: Visit, images: int) -> None:
    """All is judged, people say something to each, all is judged again, exported and backed up."""
    wait_until(lambda: visited.decided(images), what="all are judged")
    talk(visited)
    wait_until(lambda: visited.decided(images), what="all are judged again")
    database = visited.node.database
    AnalysisCounter(database, visited.settings.analysis).look()
    ResultIndexing(database, visited.node.objects).look()
    HistoryWork(database, 0.02).look()
    with database.begin() as transaction:
        acquired = max(transaction.execute(sa.select(t.acquisitions.c.day)).scalars())
    report_of_month(visited, acquired)
    export(visited, visited.folder / "exports-before")
    command(visited, "backup", str(visited.folder / "backup"))


def report_of_month(visited: Visit, acquired: date) -> None:
    """Made and stored as when the month is over."""
    after = datetime(acquired.year, acquired.month, 28, tzinfo=UTC) + timedelta(days=7)
    keep_last_month(visited.node.database, visited.node.objects, visited.settings, after)


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


@pytest.mark.quick
def test_the_page_lists_what_stays() -> None:
    page = (ROOT / "docs" / "how-to" / "retention.md").read_text()
    assert [name for name in MAY_STAY if dictionary_description(name) not in page] == []
    section = page.partition("### What no erasure reaches")[2].partition("###")[0].lower()
    assert [one for one in NOT_REACHED if one.split()[0] not in section] == []
