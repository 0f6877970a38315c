"""The object network runs only where it can change something, once, and on the copy that other packages made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.settings.policy import read_policy
from miqa_node.dicom.pixels import reduction
from miqa_node.stages.assess.landmarks.picture import STORED_PX
from miqa_node.stages.assess.sidecars import SidecarModels
from tests.stages.assess.classify.test_sidecars import DIGEST, Quality
from tests.stages.assess.landmarks.making import estimate_of, letters_of, lungs_of, write_landmarks
from tests.stages.assess.making import RADIOGRAPH, chest_header
from tests.stages.assess.objects.making import maps_of, write_objects
from tests.stages.assess.objects.test_sidecar import WORN, settings_of
from tests.stages.assess.test_no_second_look import Judged, runs

__all__ = ["runs"]

GRAPH = "objects-1.0.0/model.onnx"
SIDE_PX = STORED_PX + 40


def image_of(frames: int = 1, pitch_mm: float = 0.5) -> Radiograph:
    pixels = np.random.default_rng(1).integers(0, 65536, (SIDE_PX, SIDE_PX)).astype(np.uint16)
    return Radiograph(pixels, pixels, (0, 65535), (pitch_mm, pitch_mm), frames=frames)


def assess(
    folder: Path, runs: list[str], image: Radiograph, quality: Quality | None = None, **header: Any
) -> AssessorResult:
    """The image judged with packages of points, which see lungs, and of objects; ``runs`` begins with the image."""
    write_landmarks(folder / "models/landmarks-1.0.0", estimate_of(lungs=lungs_of()), letters=letters_of({}))
    write_objects(folder / "models/objects-1.0.0", maps_of((0, 4, 2)), WORN)
    settings = settings_of(folder)
    policy = read_policy(settings.policy_file)
    sidecars = SidecarModels(settings, lambda: quality or Judged(), lambda: policy)
    sidecars.check()
    runs.clear()
    return sidecars.assess(replace(chest_header(), **header), image, DIGEST, RADIOGRAPH)


@pytest.mark.parametrize(
    ("quality", "image", "header"),
    [
        (Quality(gate=0.9), {}, {}),  # blank, says the gate
        (Quality(reason="not judged"), {}, {}),
        (None, {}, {"body_part_examined": "HAND"}),
        (None, {}, {"view_position": "LL"}),
        (None, {"frames": 2}, {}),
    ],
)
def test_where_nothing_can_be_taken_off_the_graph_does_not_run(
    tmp_path: Path, runs: list[str], quality: Quality | None, image: dict[str, Any], header: dict[str, Any]
) -> None:
    result = assess(tmp_path, runs, image_of(**image), quality, **header)
    assert GRAPH not in runs
    assert result.assessment.objects is None


def test_a_chest_is_reduced_once_for_all_packages_and_looked_at_once(
    tmp_path: Path, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: list[tuple[int, ...]] = []
    reduced = reduction.reduced

    def counted(image: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
        if image.shape[:2] == (SIDE_PX, SIDE_PX):
            whole.append((rows, columns))
        return reduced(image, rows, columns)

    monkeypatch.setattr(reduction, "reduced", counted)
    result = assess(tmp_path, runs, image_of())
    assert result.assessment.objects is not None
    assert runs.count(GRAPH) == 1
    assert whole.count((STORED_PX, STORED_PX)) == 1, "points, markers and objects share the copy"
