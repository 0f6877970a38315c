"""The objects of a CT or MR series that is flagged, from pixels to files, as the pipeline makes them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.fault_search import search_of
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.output import output_kinds
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.stages.assess.series import judge_series
from miqa_node.stages.measure.series_view import SliceTools
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.report.make import make_objects
from miqa_node.stages.report.stack import ReportedSeries
from miqa_node.stages.units.kinds import series_traits
from tests.stages.measure.series import making


def decode(path: Path, frame: int = 0) -> Radiograph:
    """One slice, in this process."""
    decoded = decode_frame(path, frame, 10**8)
    return Radiograph(decoded.stored, decoded.display, decoded.stored_range, decoded.spacing_mm, decoded.valid)


def write_flagged(folder: Path, modality: str) -> list[Path]:
    """A CT with metal on two of its slices, or a sagittal MR that folds over, more on one side."""
    if modality == "CT":
        images = [making.body_ct(seed=seed) for seed in range(5)]
        images[1], images[3] = making.with_metal(images[1]), making.with_metal(images[3])
    else:
        images = [np.roll(making.head_mr(seed=seed, texture=0.1), (60, 30), axis=(0, 1)) for seed in range(5)]
    return making.write_series(folder, images, modality, change=None if modality == "CT" else _sagittal)


def _sagittal(dataset: FileDataset) -> None:
    """Rows run to the back, columns to the feet."""
    _, first_mm, place_mm = dataset.ImagePositionPatient
    dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    dataset.ImagePositionPatient = [place_mm, first_mm, -first_mm]


def judged_series(folder: Path, modality: str) -> tuple[ReportedSeries, Assessment, Disposition]:
    """Such a series under the policy that ships; the slices lie in ``folder``."""
    return judged_paths(write_flagged(folder, modality))


def judged_paths(paths: list[Path]) -> tuple[ReportedSeries, Assessment, Disposition]:
    """The series of these slices, which must be flagged by that policy."""
    files = [(InstanceDigest(hashlib.sha256(path.read_bytes()).hexdigest()), path) for path in paths]
    header, _ = read_header(paths[-1])
    judged = judge_series(header, series_traits(header), files[-1][0], files, SliceTools(decode), 100)
    policy = read_policy(load_settings().policy_file)
    disposition = replace(decide(judged.assessment, policy), search=search_of(judged.assessment, policy))
    assert disposition.verdict.flagged
    where = dict(files)
    slices = [(where[digest], frame) for digest, frame in judged.snapshot.slices]
    return ReportedSeries(slices, judged.snapshot.masks, (), decode), judged.assessment, disposition


def flagged_series(folder: Path, modality: str) -> tuple[MadeObject, ...]:
    """All kinds of objects of it."""
    return make_objects(*judged_series(folder, modality), kinds=set(output_kinds()))
