"""The self-test sends what it says it sends, notices what is wrong, and a whole one passes on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGBaseline8Bit
from typer.testing import CliRunner

from miqa_node.core.domain.verdict import Verdict
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.interfaces.cli.app import app
from miqa_selftest.encodings import ENCODINGS, PhantomEncoding, encoded
from miqa_selftest.outcome import SampleOutcome
from miqa_selftest.pacs import ReceivingPacs
from miqa_selftest.phantoms import KINDS, PhantomDefect, make
from miqa_selftest.radiographs import SampleImage
from miqa_selftest.record import document, write_record
from miqa_selftest.run import ANY, CommissioningCheck, CommissioningRecord, _faults, _together
from miqa_selftest.send import StoreReceipt


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.syntax.keyword)
def test_every_syntax_holds_the_same_picture(encoding: PhantomEncoding, tmp_path: Path) -> None:
    ds = make(KINDS[0], PhantomDefect.NONE, "x")
    path = tmp_path / "a.dcm"
    path.write_bytes(encoded(ds, encoding))
    written = pydicom.dcmread(path)
    assert written.file_meta.TransferSyntaxUID == encoding.syntax
    stored = np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns)
    decoded = decode_frame(path, 0, 10**7).stored
    if encoding.lossless:
        assert np.array_equal(decoded, stored)
        assert "LossyImageCompression" not in written
    else:
        expected = stored >> 4 if encoding.bits == 8 else stored
        highest = 255 if encoding.syntax == JPEGBaseline8Bit else 4095
        assert np.abs(decoded.astype(int) - expected).mean() < 0.02 * highest
        assert written.LossyImageCompression == "01"
        assert written.LossyImageCompressionMethod


def test_phantoms_differ_by_modality_and_defect_and_are_nobodys() -> None:
    made = {(k.modality, d): make(k, d, "x") for k in KINDS for d in PhantomDefect}
    assert len({ds.SOPInstanceUID for ds in made.values()}) == len(made) == 25
    assert make(KINDS[0], PhantomDefect.NONE, "x").SOPInstanceUID == made["CR", PhantomDefect.NONE].SOPInstanceUID
    assert make(KINDS[0], PhantomDefect.NONE, "y").SOPInstanceUID != made["CR", PhantomDefect.NONE].SOPInstanceUID
    assert {str(ds.PatientName) for ds in made.values()} == {"Selftest^Phantom"}
    for kind in KINDS:
        pixels = {made[kind.modality, d].PixelData for d in PhantomDefect}
        assert len(pixels) == len(PhantomDefect)


def test_a_wrong_verdict_is_told_with_its_reason(tmp_path: Path) -> None:
    """Of a package without a figure every chest is experimental: nobody could tell that from the verdict alone."""
    why = "Experimental: the policy has figures for such images, but none of the package own-1.0.0."
    sample = SampleImage("chest", "1.2", "1.2.3", "1.2.4", b"", frozenset({Verdict.ACCEPT, Verdict.REVIEW}))
    disposition = {"verdict": "NOT_ASSESSED", "reasons": [{"name": "experimental", "text": why}]}
    outcome = SampleOutcome(sample, StoreReceipt(0.0), {"disposition": disposition})
    judged = CommissioningCheck("CR", "chest", "any", True, "none", outcome)
    [wrong] = [text for text in _faults(judged, ReceivingPacs(tmp_path, 0), set()) if "should be" in text]
    assert wrong == f"The verdict is NOT_ASSESSED; it should be ACCEPT or REVIEW. Its reason: {why}"


def check(verdict: str, *, title: str = "CR phantom", lossless: bool = True) -> CommissioningCheck:
    sample = SampleImage(title, "1.2", "1.2.3", "1.2.4", b"", ANY)
    outcome = SampleOutcome(sample, StoreReceipt(0.0), {"disposition": {"verdict": verdict, "reasons": []}})
    return CommissioningCheck("CR", title, "any", lossless, "none", outcome)


def test_a_verdict_that_depends_on_the_syntax_is_a_fault() -> None:
    assert _together([check("REVIEW"), check("REVIEW"), check("ACCEPT", lossless=False)]) == []
    [fault] = _together([check("REVIEW"), check("ACCEPT")])
    assert "different verdicts" in fault


def test_the_record_says_what_failed(tmp_path: Path) -> None:
    bad = check("ACCEPT")
    bad.faults.append("The SR did not arrive <b>.")
    record = CommissioningRecord(
        "2026-01-02T03:04:05+00:00", "1.0", "here", None, [check("REVIEW"), bad], [], ["a note"], 1.5
    )
    page, data = write_record(record, tmp_path)
    log_record = json.loads(data.read_text(encoding="utf-8"))
    assert log_record == document(record)
    assert (log_record["passed"], log_record["images"], log_record["failed"]) == (False, 2, 1)
    text = page.read_text(encoding="utf-8")
    assert "Not passed" in text
    assert "did not arrive &lt;b&gt;." in text
    bad.faults.clear()
    assert "Not passed" not in write_record(record, tmp_path)[0].read_text(encoding="utf-8")


@pytest.mark.more
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_whole_self_test_passes_here(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["selftest", "--out", str(tmp_path / "record"), "--limit", "600", "--json"])
    record = json.loads(ran.stdout)
    assert ran.exit_code == 0, [c for c in record["checks"] if c["faults"]]
    assert record["modalities"] == ["CR", "DX", "MG", "CT", "MR"]
    assert len(record["transfer_syntaxes"]) == len(ENCODINGS)
    assert any("SEG" in c["delivered"] for c in record["checks"])
    assert all("SR" in c["delivered"] for c in record["checks"])
