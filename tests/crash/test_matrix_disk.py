"""Errors of writing × what each part of the node says and does: a table of docs/explanation/reliability.md."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash.faults import marks, only_with_matrix, shim
from tests.crash.matrix import MatrixNode, Row, StoredImage, compare_with_page, table
from tests.crash.station import LIMIT_S, Pacs
from tests.waiting import wait_until

pytestmark = marks

ERRORS = ("EPERM", "EIO", "ESTALE", "ENOSPC")


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


COLUMNS = ("C-STORE", "readiness", "doctor", "fsck", "backup", "when it works again")


@only_with_matrix
def test_errors_of_writing(tmp_path: Path, samples: Path) -> None:
    rows: dict[str, Row] = {}
    for what, kind in (("results", "results"), ("originals", "instances")):
        with on_disk(tmp_path / kind, samples, kind) as (node, pacs, flag):
            [image] = node.take(1)
            for error in ERRORS:
                rows[f"{what} cannot be written: {error}"] = _refuse_writing(node, pacs, image, flag, error)
    compare_with_page("disk", table("error", COLUMNS, rows))


def _refuse_writing(node: MatrixNode, pacs: Pacs, image: StoredImage, flag: Path, error: str) -> Row:
    """One error, until it is over and the image that met it has its report."""
    flag.write_text(str(getattr(errno, error)))
    new = node.new_image()
    status, uid = node.send(new), str(new.SOPInstanceUID)
    row = {"C-STORE": "none" if status is None else f"0x{status:04X}"}
    row["readiness"] = node.readiness_after()
    row |= {"doctor": node.doctor(apart=True), "fsck": node.answer_of("fsck", "--deep", apart=True)}
    row["backup"] = node.answer_of("backup", str(node.folder / f"backup-{getattr(errno, error)}"), apart=True)
    assert node.commitment(image) == "promised", "what was stored before can be read"
    flag.unlink()
    if status != 0x0000:
        assert status == 0xA700
        wait_until(lambda: node.send(new) == 0x0000, LIMIT_S, "the image is taken")
    assert not row["readiness"].startswith("200"), row
    is_reported_once(node, pacs, uid)
    return row | {"when it works again": "judged and reported once"}


def is_reported_once(node: MatrixNode, pacs: Pacs, uid: str) -> None:
    """The fault is over, and the image that met it was judged as any other."""
    wait_until(lambda: uid in pacs.reports, LIMIT_S, "the image has its report")
    wait_until(lambda: node.readiness() == "200", LIMIT_S, "the node is ready")
    [(verdict,)] = node.rows("SELECT d.verdict FROM dispositions d JOIN instances i ON i.digest = d.digest "
                             "WHERE i.sop_instance_uid = ?", uid)  # fmt: skip
    assert verdict == "REJECT"
    assert len(pacs.reports[uid]) == 1
