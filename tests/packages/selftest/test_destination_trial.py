"""``destinations try`` says what a real SCP that coerces, refuses and loses objects did with each kind of them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from miqa_node.core.settings import load_settings
from miqa_node.interfaces.cli.app import run
from miqa_node.stages.deliver.retrieval import FIND
from miqa_selftest.trial_study import make_study
from tests.conftest import free_port
from tests.packages.selftest.trial_peer import ALL, coercing_archive

pytestmark = pytest.mark.more

SR_3D, SR_2D = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.88.33"
SEG, PDF = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.104.1"


@pytest.fixture(scope="module")
def sop_classes() -> list[str]:
    return [str(one.header.SOPClassUID) for one in make_study(load_settings()).objects]


def site(folder: Path, peer_port: int, **keys: object) -> Path:
    """The settings of a site with the destination ``pacs``, and a folder that nothing is written to."""
    table = {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": peer_port, **keys}
    (folder / "destinations.toml").write_text(
        "[[destination]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    )
    file = folder / "miqa.toml"
    file.write_text(
        f'[node]\ndata_dir = "{folder / "data"}"\n[dicom]\nport = {free_port()}\n[deliver]\n'
        f'destinations_file = "{folder / "destinations.toml"}"\ndimse_timeout_s = 20.0\n'
    )
    return file


def trial(
    folder: Path, peer_port: int, capsys: pytest.CaptureFixture[str], *options: str, **keys: object
) -> tuple[int, dict[str, Any], dict[str, dict[str, Any]]]:
    """Exit code, the document, and its objects by kind."""
    config = site(folder, peer_port, **keys)
    arguments = [
        "destinations",
        "try",
        "pacs",
        "--yes",
        "--json",
        "--config",
        str(config),
        "--out",
        str(folder / "out"),
    ]
    code = run([*arguments, "--limit", "5", *options])
    document = json.loads(capsys.readouterr().out)
    assert json.loads((folder / "out" / "pacs.json").read_text("utf-8")) == document
    assert not (folder / "data").exists(), "nothing is written where the node keeps what it knows"
    return code, document, {one["kind"]: one for one in document["objects"]}


def test_what_is_coerced_refused_and_lost_is_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sop_classes: list[str]
) -> None:
    statuses = {"SC": 0xB000, "KO": 0xA900, "DOC": 0xA700, "PR": 0xC000}

    def status(ds: Dataset) -> int:
        return statuses.get("SC" if "SecondaryCapture" in ds.SOPClassUID.keyword else ds.Modality, 0)

    def keep(ds: Dataset) -> Dataset | None:
        return None if ds.Modality == "ASMT" else ds

    classes = [one for one in sop_classes if one not in (SR_3D, SEG)]
    with coercing_archive([*classes, SR_2D], *ALL) as peer:
        peer.status, peer.keep = status, keep
        code, document, objects = trial(tmp_path, peer.port, capsys, commitment=True)
    assert (code, document["exit_code"], document["worst"]) == (1, 1, "wrong")
    answers = {kind: (one["stored"], one["found"], one["committed"]) for kind, one in objects.items()}
    assert answers["IMAGE_DX"] == answers["SR"] == ("stored", "found", "committed")
    assert answers["AIRAI"] == ("stored", "not found", "not kept"), "it was answered 0x0000 and is not there"
    assert answers["SC"] == answers["SC_RLE"] == answers["SC_J2K"] == ("coerced", "found", "committed")
    for kind, code_text in (("KOS", "0xA900"), ("PDF", "0xA700"), ("GSPS", "0xC000")):
        assert answers[kind] == ("refused", "not asked", "not asked")
        assert objects[kind]["status"] == code_text
    assert "the archive is full" in objects["PDF"]["remarks"][0]
    assert answers["SEG"][0] == "refused"
    assert "no Segmentation Storage" in objects["SEG"]["remarks"][0]
    assert "Comprehensive SR" in objects["SR"]["remarks"][0], "as a lane, it sends a lower class"
    assert objects["SR"]["sop_class_uid"] == SR_2D
    assert set(document["to_delete"]) == set(peer.stored) | {objects["AIRAI"]["sop_instance_uid"]}
    page = (tmp_path / "out" / "pacs.html").read_text("utf-8")
    assert all(uid in page for uid in (*peer.stored, document["patient_id"], "Signature"))
    assert all(ds.PatientID == document["patient_id"] for ds in peer.arrivals)


def test_attributes_that_come_back_otherwise_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sop_classes: list[str]
) -> None:
    def keep(ds: Dataset) -> Dataset:
        ds.PatientID, ds.AccessionNumber = f"H-{ds.PatientID}", "4711"
        if ds.Modality == "SR":
            ds.SeriesDescription = "AI"
        return ds

    with coercing_archive(sop_classes, FIND) as peer:
        peer.keep = keep
        code, document, objects = trial(tmp_path, peer.port, capsys)
    assert (code, document["worst"]) == (8, "coerced")
    patient_id = document["patient_id"]
    assert document["changes"] == [
        {"keyword": "PatientID", "sent": patient_id, "now": f"H-{patient_id}"},
        {"keyword": "AccessionNumber", "sent": document["accession_number"], "now": ""},
    ], "a value that might be of a person is not shown"
    assert objects["SR"]["changes"] == [{"keyword": "SeriesDescription", "sent": "Image quality report", "now": "AI"}]
    assert objects["SEG"]["changes"] == []
    assert {one["stored"] for one in objects.values()} == {"coerced"}
    assert any("does not set commitment" in note for note in document["notes"])


def test_it_is_asked_for_by_what_it_is_when_its_study_has_another_uid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sop_classes: list[str]
) -> None:
    def keep(ds: Dataset) -> Dataset:
        ds.StudyInstanceUID = "1.2.3"
        return ds

    with coercing_archive(sop_classes, FIND) as peer:
        peer.keep = keep
        code, document, objects = trial(tmp_path, peer.port, capsys)
    assert code == 8
    assert document["changes"] == [
        {"keyword": "StudyInstanceUID", "sent": document["study_instance_uid"], "now": "1.2.3"}
    ]
    assert {one["found"] for one in objects.values()} == {"found"}


def test_objects_go_in_the_form_of_the_destination(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sop_classes: list[str]
) -> None:
    keys = {"calling_ae_title": "TRIAL", "transfer_syntaxes": [str(ImplicitVRLittleEndian)], "objects": ["SR", "PDF"]}
    with coercing_archive(sop_classes, *ALL) as peer:
        peer.reports = False
        code, document, objects = trial(tmp_path, peer.port, capsys, "--only-objects", "--commitment", **keys)
        assert (code, set(objects), document["left_out"]) == (1, {"SR", "PDF"}, {})
        assert {one["committed"] for one in objects.values()} == {"no report"}
        assert peer.callers == {"TRIAL"}
        assert peer.syntaxes == {ImplicitVRLittleEndian}
        peer.find_status = lambda level: 0xC000 if level == "IMAGE" else 0
        code, document, objects = trial(tmp_path, peer.port, capsys, "--only-objects", **keys)
    assert len(peer.arrivals) == 4
    assert (code, document["worst_of_its_objects"]) == (0, "well")
    assert {one["found"] for one in objects.values()} == {"not asked"}
    assert any("single objects cannot be searched for" in note and "0xC000" in note for note in document["notes"])


def test_a_destination_that_is_away_gets_two_objects_and_no_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _document, objects = trial(tmp_path, free_port(), capsys)
    assert code == 1
    assert [one["stored"] for one in objects.values()] == ["failed"] * 2 + ["not sent"] * (len(objects) - 2)


def test_a_folder_gets_files_and_a_webhook_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    share = tmp_path / "share"
    share.mkdir()
    common = ["--config", str(site(tmp_path, 1)), "--out", str(tmp_path / "out"), "--yes"]
    assert run(["destinations", "try", "share", "--destination", f"share={share}", *common]) == 0
    shown = capsys.readouterr().out
    assert "IMAGE_DX\t–\tstored\tfound\tnot asked" in shown
    uids = json.loads((tmp_path / "out" / "share.json").read_text("utf-8"))["to_delete"]
    assert {file.stem for file in share.iterdir()} == set(uids)
    assert run(["destinations", "try", "nobody", *common]) == 3
    (tmp_path / "destinations.toml").write_text(
        '[[destination]]\nname = "hook"\nkind = "webhook"\nurl = "http://127.0.0.1"\nsecret_file = "/x"\n'
    )
    assert run(["destinations", "try", "hook", *common]) == 2
    assert "takes events, no objects" in capsys.readouterr().err


@pytest.mark.parametrize("answer", ["n\n", "y\n", None])
def test_nothing_is_sent_unless_somebody_says_so(answer: str | None, tmp_path: Path, sop_classes: list[str]) -> None:
    """On a terminal it asks; without one it says what to do."""
    command = [sys.executable, "-m", "miqa_node.interfaces.cli", "destinations", "try", "pacs", "--limit", "0"]
    with coercing_archive(sop_classes, FIND) as peer:
        files = ["--config", str(site(tmp_path, peer.port)), "--out", str(tmp_path / "out")]
        ran = _answered([*command, *files], answer)
        assert (ran.returncode == 0, bool(peer.arrivals)) == (answer == "y\n", answer == "y\n")
    if answer is None:
        assert "--yes sends 17 objects of the test patient TEST^DESTINATION" in ran.stderr
    else:
        assert "Send 17 objects of the test patient TEST^DESTINATION" in ran.stderr
        assert (ran.returncode, "Nothing was sent." in ran.stderr) == ((2, True) if answer == "n\n" else (0, False))


def _answered(command: list[str], answer: str | None) -> subprocess.CompletedProcess[str]:
    if answer is None:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode())
        return subprocess.run(command, stdin=theirs, capture_output=True, text=True, check=False)
    finally:
        os.close(ours)
        os.close(theirs)
