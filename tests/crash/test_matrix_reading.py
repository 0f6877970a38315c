"""Errors of reading × what each part of the node says and does: a table of docs/explanation/reliability.md.

An object that cannot be read now is neither lost nor damaged: nobody is told that it is, and everything waits.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

from tests.crash.faults import marks, only_with_matrix
from tests.crash.matrix import PATIENCE_S, MatrixNode, Row, compare_with_page, plain, table
from tests.crash.station import LIMIT_S, Pacs
from tests.crash.test_matrix_disk import is_reported_once, on_disk
from tests.waiting import wait_until

pytestmark = [*marks, only_with_matrix]

ERRORS = ("EPERM", "EIO", "ESTALE")
LONG = {"MIQA_DICOM__NETWORK_TIMEOUT_S": "3600"}
"""For so long a modality may be silent that waits for an answer."""
UNTRUE = ("lost", "damaged", "changed", "no such object", "no longer kept")
"""What nobody may say of an object that cannot be read."""
COLUMNS = (
    "commitment", "reassess", "fsck", "fsck --deep", "doctor", "readiness", "backup", "C-STORE", "lane", "re-sending",
    "when it works again",
)  # fmt: skip


def test_errors_of_reading(tmp_path: Path, samples: Path) -> None:
    rows: dict[str, Row] = {}
    with on_disk(tmp_path / "instances", samples, "instances", FAILING_READS="1", **LONG) as (node, pacs, flag):
        for error in ERRORS:
            rows[f"originals cannot be read: {error}"] = _refuse_reading(node, pacs, flag, getattr(errno, error))
    compare_with_page("reading", table("error", COLUMNS, rows))


def _refuse_reading(node: MatrixNode, pacs: Pacs, flag: Path, number: int) -> Row:
    """One error, from an image whose results wait to be sent until everything is as it should be."""
    node.let_send(False)
    [image] = node.take(1)
    row: dict[str, str] = {}
    flag.write_text(str(number))
    with node.inquiry(image) as answer:
        new = node.new_image()
        status, uid = node.send(new), str(new.SOPInstanceUID)
        row["C-STORE"] = _taken(status)
        node.let_send(True)
        row["readiness"] = node.readiness_after(PATIENCE_S)
        row |= {"reassess": node.reassess(image, apart=True), "doctor": node.doctor(apart=True)}
        for name, options in (("fsck", ()), ("fsck --deep", ("--deep",))):
            row[name] = _kinds(node.fsck(*options, apart=True))
        row["backup"] = _faults(*node.command_apart("backup", str(node.folder / f"backup-{len(pacs.reports)}")))
        row["commitment"] = answer(0.1)
        row["lane"] = "sends it" if image.uid in pacs.reports else "waits"
        row["re-sending"] = _taken(node.send(image.dataset))
        damages = node.rows("SELECT object_key, state FROM damages")
        flag.unlink()
        assert answer(LIMIT_S) == "promised", (row, "the modality hears it on the same association")
    assert damages == [], "nothing is lost or damaged"
    assert not [word for text in row.values() for word in UNTRUE if word in text], row
    if status != 0x0000:
        wait_until(lambda: node.send(new) == 0x0000, LIMIT_S, "the image is taken")
    is_reported_once(node, pacs, uid)
    is_reported_once(node, pacs, image.uid)
    wait_until(lambda: node.fsck("--deep") == {}, LIMIT_S, "everything agrees")
    assert node.backup()[0] == 0
    return row | {"when it works again": "promised, judged and reported once"}


def _taken(status: int | None) -> str:
    """What is written while nothing can be read is refused as soon as the node notices that."""
    assert status in {0x0000, 0xA700}
    return "0x0000, or 0xA700 once a look at the store has failed"


def _faults(code: int, output: str) -> str:
    """How a backup calls what is wrong; or its last words."""
    words = {line.split()[0] for line in output.splitlines() if line.startswith(("lost ", "damaged ", "unreadable "))}
    return f"exit code {code}, {' '.join(f'`{one}`' for one in sorted(words)) or plain(output.splitlines()[-1])}"


def _kinds(faults: Mapping[str, str]) -> str:
    """What fsck found; or what it said if it did not go on."""
    if "" in faults:
        return faults[""]
    return " ".join(f"`{one}`" for one in sorted(set(faults.values()))) or "does not see it"
