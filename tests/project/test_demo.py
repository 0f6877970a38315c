"""The demonstration: samples are labelled and repeatable, the PACS keeps what it answers, the story ends well."""

from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

pytest.importorskip("data_store", reason="pydicom-data is not installed")

import os
import shutil
import subprocess
import sys

import numpy as np

from demo.samples import make_samples
from demo.story import faults
from miqa_node.core.domain.dimse_status import in_words
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.keys.secret_files import identity_of
from miqa_node.core.settings import load_settings
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.errors import MiqaError
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from miqa_selftest.launch import NodeProcess, free_port, free_ports
from miqa_selftest.outcome import SampleOutcome
from miqa_selftest.pacs import AE_TITLE, ReceivingPacs
from miqa_selftest.radiographs import CHEST_PITCH_MM, SampleImage
from miqa_selftest.send import StoreReceipt
from tests.conftest import ROOT
from tests.stages.deliver.making import outcomes


@pytest.fixture(scope="module")
def samples() -> list[SampleImage]:
    return make_samples()


def opened(sample: SampleImage) -> Dataset:
    return dcmread(BytesIO(sample.data))


def test_the_pacs_keeps_what_it_answers_and_finds_it_again(samples: list[SampleImage], tmp_path: Path) -> None:
    sample = samples[0]
    with ReceivingPacs(tmp_path) as pacs:
        config = CStoreConfig(name="pacs", ae_title=AE_TITLE, host="127.0.0.1", port=pacs.port)
        modality = CStoreDestination(config, DeliveryContext(load_settings().deliver, "TEST"))
        [error] = outcomes(modality, (sample.sop_class_uid, sample.sop_instance_uid, sample.data))
        modality.close()
        assert error is None
        arrival = pacs.find(sample.sop_instance_uid)
        assert arrival is not None
        assert dcmread(arrival.path).PixelData == opened(sample).PixelData
        assert pacs.report_about(sample.sop_instance_uid) is None
    later = ReceivingPacs(tmp_path).find(sample.sop_instance_uid)
    assert later is not None
    assert (later.modality, later.path) == ("CR", arrival.path)
    assert ReceivingPacs(tmp_path).find("1.2.3") is None


def test_ports_are_free_and_different() -> None:
    ports = free_ports((0, 0, 0))
    assert len(set(ports)) == 3
    assert free_port(ports[0]) == ports[0]


def outcome(sample: SampleImage, verdict: Verdict | None, error: str = "") -> SampleOutcome:
    document = {"disposition": {"verdict": verdict.value, "reasons": []}, "results": []} if verdict else None
    return SampleOutcome(sample, StoreReceipt(0.0, error), document)


def test_every_broken_promise_is_named(samples: list[SampleImage]) -> None:
    degraded = samples[2]
    text = "\n".join(
        faults(
            [
                outcome(samples[0], None),
                outcome(samples[1], None, f"The peer answered with status {in_words(0xA700)}."),
                outcome(degraded, Verdict.ACCEPT),
                outcome(samples[3], Verdict.REJECT),
            ],
            [],
        )
    )
    assert "no verdict" in text
    assert "0xA700" in text
    assert "the verdict is ACCEPT" in text
    assert "made no KOS" in text
    assert "not on the worklist" in text
    assert "no segmentation arrived" in text


@pytest.mark.more
def test_there_are_real_and_simulated_samples_and_none_may_be_accepted_that_should_not(
    samples: list[SampleImage],
) -> None:
    real = [sample for sample in samples if sample.simulated is None]
    simulated = [sample for sample in samples if sample.simulated is not None]
    assert len(real) == 2
    assert len(simulated) >= 3
    assert all(Verdict.ACCEPT not in sample.expected for sample in simulated)
    assert len({sample.sop_instance_uid for sample in samples}) == len(samples)
    assert len({sample.study_instance_uid for sample in samples}) == len(samples)


@pytest.mark.more
@pytest.mark.peers
def test_a_simulated_sample_is_valid_dicom(samples: list[SampleImage], tmp_path: Path) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed")
    for sample in samples[2:]:
        path = tmp_path / "sample.dcm"
        path.write_bytes(sample.data)
        process = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        assert "Error" not in process.stderr + process.stdout, process.stderr


@pytest.mark.more
def test_a_node_that_cannot_start_says_why(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path, "MIQA", 0, 0, "this is no destination")
    with pytest.raises(MiqaError, match="no destination"):
        node.start()


@pytest.mark.more
def test_another_node_at_the_port_is_not_taken_for_this_one(tmp_path: Path) -> None:
    """Nor its PACS: two checkouts that begin at once find the same ports free."""
    with NodeProcess(tmp_path / "a", "MIQA", 0, 0) as first, ReceivingPacs(tmp_path) as pacs:
        ports = first.dicom_port, first.web_port
        with pytest.raises(MiqaError, match="in use"):
            NodeProcess(tmp_path / "b", "MIQA", *ports).start()
        with (
            NodeProcess(tmp_path / "b", "MIQA", *ports, any_port=True) as second,
            ReceivingPacs(tmp_path, pacs.port) as other,
        ):
            assert other.port != pacs.port
            assert not {second.dicom_port, second.web_port} & {0, *ports}
            assert identity_of(tmp_path / "a") != identity_of(tmp_path / "b")


@pytest.mark.more
@pytest.mark.usefixtures("alone")
def test_the_whole_story_ends_well(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "demo", "--once", "--data-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": ""},
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "Everything went as promised" in process.stdout
    listening = next(line for line in (tmp_path / "node" / "node.log").read_text().splitlines() if "listening" in line)
    assert '"host": "127.0.0.1"' in listening, "the tutorial promises the loopback only"
    modalities = {path.name.partition("-")[0] for path in (tmp_path / "pacs").glob("*.dcm")}
    assert {"SR", "SEG", "KO"} <= modalities


@pytest.mark.more
def test_the_tutorial_counts_the_samples_that_there_are(samples: list[SampleImage]) -> None:
    tutorial = (ROOT / "docs" / "tutorial" / "first-flagged-study.md").read_text("utf-8")
    numbers = ("None", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
    simulated = sum(sample.simulated is not None for sample in samples)
    assert f"sends {numbers[len(samples)].lower()} radiographs" in tutorial
    assert f"{numbers[len(samples) - simulated]} are real" in tutorial
    assert f"{numbers[simulated]} are the chest with a simulated" in tutorial


@pytest.mark.more
def test_the_same_bytes_every_time(samples: list[SampleImage]) -> None:
    assert [sample.data for sample in make_samples()] == [sample.data for sample in samples]


@pytest.mark.more
def test_a_simulated_sample_says_so_wherever_people_look(samples: list[SampleImage]) -> None:
    source = opened(samples[0])
    for sample in samples:
        if sample.simulated is None:
            continue
        dataset = opened(sample)
        for keyword in ("StudyDescription", "SeriesDescription", "ImageComments", "DerivationDescription"):
            assert "SIMULATED" in dataset[keyword].value
        assert dataset.ImageType[0] == "DERIVED"
        assert dataset.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
            assert dataset[keyword].value != source[keyword].value
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert list(dataset.ImagerPixelSpacing) == [CHEST_PITCH_MM, CHEST_PITCH_MM]


@pytest.mark.more
def test_an_inverted_sample_shows_the_source_turned_over(samples: list[SampleImage], tmp_path: Path) -> None:
    shown = {}
    for sample in samples:
        if sample is samples[0] or sample.simulated == FindingName.GATE:
            path = tmp_path / f"{sample.sop_instance_uid}.dcm"
            path.write_bytes(sample.data)
            shown[sample.simulated] = decode_frame(path, 0, 10_000_000).display.astype(np.int64)
    # One stored value of this 30,000-wide window is 2.2 display values: writing it down costs at most one step.
    assert np.abs(shown[FindingName.GATE] - (65535 - shown[None])).max() <= 4
