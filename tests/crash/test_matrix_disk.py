"""Errors of the storage × what each part of the node says and does: tables of docs/explanation/reliability.md.

An object that cannot be read now is neither lost nor damaged: nobody is told that it is, and everything waits.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest

from tests.crash.faults import marks, shim
from tests.crash.matrix import PATIENCE_S, MatrixNode, Row, StoredImage, compare_with_page, plain, table
from tests.crash.road import Road
from tests.crash.station import LIMIT_S, Pacs
from tests.waiting import wait_until

pytestmark = marks

ERRORS = ("EPERM", "EIO", "ESTALE", "ENOSPC")
READING_ERRORS = ("EPERM", "EIO", "ESTALE")
"""A disk that is full can be read."""
STATUSES = (500, 403)
"""Of a bucket that fails, which is asked again for 20 s each time, and of one that denies access."""
UNTRUE = ("lost", "damaged", "changed", "no such object", "no longer kept")
"""What nobody may say of an object that cannot be read."""


@contextmanager
def on_disk(folder: Path, samples: Path, kind: str, **more: str) -> Iterator[tuple[MatrixNode, Pacs, Path]]:
    """A node, its archive, and the file that makes calls of the system fail for one kind of object."""
    folder.mkdir()
    flag = folder / "data" / "objects" / "flag"  # where confined workers can read it, too
    library = shim(Path(__file__).with_name("failing_disk.c"), folder)
    environment = {"LD_PRELOAD": library, "FAILING_FOLDER": f"{flag.with_name(kind)}/", "FAILING_FLAG": str(flag)}
    node = MatrixNode(folder, samples, environment | more)
    try:
        yield node, node.open_archive(), flag
    finally:
        flag.unlink(missing_ok=True)
        node.close()


WRITING_COLUMNS = ("C-STORE", "readiness", "doctor", "fsck", "backup", "commitment", "reassess", "when it works again")


def test_errors_of_writing(tmp_path: Path, samples: Path) -> None:
    rows: dict[str, Row] = {}
    for what, kind in (("results", "results"), ("originals", "instances")):
        with on_disk(tmp_path / kind, samples, kind) as (node, pacs, flag):
            [image] = node.take(1)
            for error in ERRORS:
                rows[f"{what} cannot be written: {error}"] = _refuse_writing(node, pacs, image, flag, error)
    compare_with_page("disk", table("error", WRITING_COLUMNS, rows))


def _refuse_writing(node: MatrixNode, pacs: Pacs, image: StoredImage, flag: Path, error: str) -> Row:
    """One error, until it is over and the image that met it has its report."""
    flag.write_text(str(getattr(errno, error)))
    new = node.new_image()
    status, uid = node.send(new), str(new.SOPInstanceUID)
    row = {"C-STORE": "none" if status is None else f"0x{status:04X}"}
    row["readiness"] = node.readiness_after() if status == 0x0000 else node.readiness()
    row |= {"doctor": node.doctor(apart=True), "fsck": node.answer_of("fsck", "--deep", apart=True)}
    row["backup"] = node.answer_of("backup", str(node.folder / f"backup-{error}"), apart=True)
    row |= {"commitment": node.commitment(image), "reassess": node.reassess(image, apart=True)}
    flag.unlink()
    if status != 0x0000:
        assert status == 0xA700
        wait_until(lambda: node.send(new) == 0x0000, LIMIT_S, "the image is taken")
    else:
        assert not row["readiness"].startswith("200"), row
    assert row["commitment"] == "promised", row
    _is_reported_once(node, pacs, uid)
    return row | {"when it works again": "judged and reported once"}


def _is_reported_once(node: MatrixNode, pacs: Pacs, uid: str) -> None:
    wait_until(lambda: uid in pacs.reports, LIMIT_S, "the image has its report")
    wait_until(lambda: node.readiness() == "200", LIMIT_S, "the node is ready")
    [(verdict,)] = node.rows("SELECT d.verdict FROM dispositions d JOIN instances i ON i.digest = d.digest "
                             "WHERE i.sop_instance_uid = ?", uid)  # fmt: skip
    assert verdict == "REJECT"
    assert len(pacs.reports[uid]) == 1


READING_COLUMNS = (
    "commitment", "reassess", "fsck", "fsck --deep", "doctor", "readiness", "backup", "C-STORE", "lane", "re-sending",
    "when it works again",
)  # fmt: skip


def test_errors_of_reading(tmp_path: Path, samples: Path) -> None:
    rows: dict[str, Row] = {}
    for what, kind, errors in (("originals", "instances", READING_ERRORS), ("results", "results", READING_ERRORS[1:])):
        with on_disk(tmp_path / kind, samples, kind, FAILING_READS="1") as (node, pacs, flag):
            for error in errors:
                number = str(getattr(errno, error))
                begin, end = lambda number=number: flag.write_text(number), flag.unlink
                rows[f"{what} cannot be read: {error}"] = _refuse_reading(node, pacs, begin, end)
    compare_with_page("reading", table("error", READING_COLUMNS, rows))


@pytest.fixture
def road(monkeypatch: pytest.MonkeyPatch) -> Iterator[Road]:
    road = Road()
    for name, value in road.environment.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=road.url, region_name="us-east-1").create_bucket(Bucket="matrix")
    yield road
    road.close()


def test_errors_of_reading_a_bucket(tmp_path: Path, samples: Path, road: Road) -> None:
    rows: dict[str, Row] = {}
    node = MatrixNode(tmp_path, samples, {"MIQA_STORE__OBJECTS_URL": "s3://matrix/node"})
    try:
        pacs = node.open_archive()
        for status in STATUSES:
            begin, end = lambda status=status: setattr(road, "reads", status), lambda: setattr(road, "reads", 0)
            rows[f"originals cannot be read: {status}"] = _refuse_reading(node, pacs, begin, end)
    finally:
        road.reads = 0
        node.close()
    compare_with_page("bucket", table("answer of the bucket", READING_COLUMNS, rows))


def _refuse_reading(node: MatrixNode, pacs: Pacs, begin: Callable[[], object], end: Callable[[], object]) -> Row:
    """One error, from an image whose results wait to be sent until everything is as it should be."""
    node.let_send(False)
    [image] = node.take(1)
    row: dict[str, str] = {}
    begin()
    with node.inquiry(image) as answer:
        new = node.new_image()
        status, uid = node.send(new), str(new.SOPInstanceUID)
        row["C-STORE"] = "none" if status is None else f"0x{status:04X}"
        node.let_send(True)
        row["readiness"] = node.readiness_after(PATIENCE_S)
        row |= {"reassess": node.reassess(image, apart=True), "doctor": node.doctor(apart=True)}
        for name, options in (("fsck", ()), ("fsck --deep", ("--deep",))):
            row[name] = _kinds(node.fsck(*options, apart=True))
        row["backup"] = _faults(*node.command_apart("backup", str(node.folder / f"backup-{len(pacs.reports)}")))
        row["commitment"] = answer(0.1)
        row["lane"] = "sends it" if image.uid in pacs.reports else "waits"
        again = node.send(image.dataset)
        row["re-sending"] = "none" if again is None else f"0x{again:04X}"
        damages = node.rows("SELECT object_key, state FROM damages")
        end()
        assert answer(LIMIT_S) == "promised", (row, "the modality hears it on the same association")
    assert damages == [], "nothing is lost or damaged"
    assert not [word for text in row.values() for word in UNTRUE if word in text], row
    if status != 0x0000:
        wait_until(lambda: node.send(new) == 0x0000, LIMIT_S, "the image is taken")
    _is_reported_once(node, pacs, uid)
    _is_reported_once(node, pacs, image.uid)
    wait_until(lambda: node.fsck("--deep") == {}, LIMIT_S, "everything agrees")
    assert node.backup()[0] == 0
    return row | {"when it works again": "promised, judged and reported once"}


def _faults(code: int, output: str) -> str:
    """How a backup calls what is wrong; or its last words."""
    words = {line.split()[0] for line in output.splitlines() if line.startswith(("lost ", "damaged ", "unreadable "))}
    return f"exit code {code}, {' '.join(f'`{one}`' for one in sorted(words)) or plain(output.splitlines()[-1])}"


def _kinds(faults: Mapping[str, str]) -> str:
    """What fsck found; or what it said if it did not go on."""
    if "" in faults:
        return faults[""]
    return " ".join(f"`{one}`" for one in sorted(set(faults.values()))) or "does not see it"
