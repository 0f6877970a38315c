# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""The demonstration: samples are labelled and repeatable, the PACS keeps what it answers, the story ends well."""

import os
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from demo.samples import make_samples
from demo.story import faults
from miqa_node.core.domain.dimse_status import in_words
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.errors import MiqaError
from miqa_node.features.operations.selftest.launch import NodeProcess, free_port, free_ports
from miqa_node.features.operations.selftest.outcome import SampleOutcome
from miqa_node.features.operations.selftest.pacs import AE_TITLE, ReceivingPacs
from miqa_node.features.operations.selftest.radiographs import CHEST_PITCH_MM, SampleImage
from miqa_node.features.operations.selftest.send import StoreReceipt
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from tests.conftest import ROOT
from tests.project.test_demo import opened, samples
from tests.stages.deliver.making import outcomes


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


@pytest.mark.peers
def test_a_simulated_sample_is_valid_dicom(samples: list[SampleImage], tmp_path: Path) -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed")
    for sample in samples[2:]:
        path = tmp_path / "sample.dcm"
        path.write_bytes(sample.data)
        process = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        assert "Error" not in process.stderr + process.stdout, process.stderr


def test_a_node_that_cannot_start_says_why(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path, "MIQA", 0, 0, "this is no destination")
    with pytest.raises(MiqaError, match="no destination"):
        node.start()


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


def test_the_tutorial_counts_the_samples_that_there_are(samples: list[SampleImage]) -> None:
    tutorial = (ROOT / "docs" / "tutorial" / "first-flagged-study.md").read_text("utf-8")
    numbers = ("None", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
    simulated = sum(sample.simulated is not None for sample in samples)
    assert f"sends {numbers[len(samples)].lower()} radiographs" in tutorial
    assert f"{numbers[len(samples) - simulated]} are real" in tutorial
    assert f"{numbers[simulated]} are the chest with a simulated" in tutorial


def test_the_same_bytes_every_time(samples: list[SampleImage]) -> None:
    assert [sample.data for sample in make_samples()] == [sample.data for sample in samples]


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


def test_an_inverted_sample_shows_the_source_turned_over(samples: list[SampleImage], tmp_path: Path) -> None:
    shown = {}
    for sample in samples:
        if sample is samples[0] or sample.simulated == FindingName.GATE:
            path = tmp_path / f"{sample.sop_instance_uid}.dcm"
            path.write_bytes(sample.data)
            shown[sample.simulated] = decode_frame(path, 0, 10_000_000).display.astype(np.int64)
    # One stored value of this 30,000-wide window is 2.2 display values: writing it down costs at most one step.
    assert np.abs(shown[FindingName.GATE] - (65535 - shown[None])).max() <= 4
