# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""What is made of an assessed image: which objects, what they say, and that they are the same every time."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.policy import Reason, Verdict
from miqa_node.core.words.narrative import narrative
from miqa_node.errors import ReportError
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import MadeObject, ReportSettings
from miqa_node.stages.report.make import make_objects
from miqa_node.stages.report.text import phrase
from tests.peers.validators import open_segmentation
from tests.stages.report import making
from tests.stages.report.test_objects import source


def test_the_same_image_gives_the_same_bytes_in_another_process(source: Path, tmp_path: Path) -> None:
    here = [item.data for item in making.flagged(source)]
    assert [item.data for item in making.flagged(source)] == here
    program = (
        "import sys; from pathlib import Path; from tests.stages.report.making import flagged\n"
        "for i, made in enumerate(flagged(Path(sys.argv[1]))): Path(sys.argv[2], str(i)).write_bytes(made.data)"
    )
    root = Path(__file__).resolve().parents[4]
    subprocess.run([sys.executable, "-c", program, str(source), str(tmp_path)], check=True, cwd=root, timeout=120)
    assert [(tmp_path / str(i)).read_bytes() for i in range(len(here))] == here


def test_three_objects_of_a_two_thousand_pixel_image_take_little_memory() -> None:
    """In a process of its own; 25 MB when this was written. benchmarks.parts has the time."""
    program = (
        "import resource; from tests.stages.report import making\n"
        "memory = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "making.make_objects; before = memory(); making.flagged(making.CHEST); print(memory() - before)"
    )
    root = Path(__file__).resolve().parents[4]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root, timeout=120
    )
    assert float(done.stdout) < 80


def test_highdicom_opens_what_was_made(source: Path) -> None:
    made = {item.kind: item.data for item in making.flagged(source)}
    stream = io.BytesIO
    highdicom = pytest.importorskip("highdicom")
    segmentation = pydicom.dcmread(stream(made[ResultKind("SEG")]))
    instance = pydicom.dcmread(source, stop_before_pixels=True).SOPInstanceUID
    with open_segmentation(segmentation) as reader:
        pixels = reader.get_pixels_by_source_instance([instance], segment_numbers=[2])
    assert np.array_equal(pixels[0, :, :, 0], segmentation.pixel_array[1])
    report = highdicom.sr.srread(stream(made[ResultKind("SR")]))
    assert len(cast("Any", report.content).get_image_measurement_groups()) == 2
    _, foreign = cast("Any", report.content).get_planar_roi_measurement_groups()
    assert foreign.referenced_segmentation_frame.referenced_sop_instance_uid == segmentation.SOPInstanceUID
    document = highdicom.ko.KeyObjectSelectionDocument.from_dataset(pydicom.dcmread(stream(made[ResultKind("KOS")])))
    assert document.resolve_reference(instance)[2] == instance
