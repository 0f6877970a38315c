"""A landmark package beside the quality package: points, measurements and findings, and nothing without it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding
from miqa_node.core.domain.image import Radiograph, SaliencyMaps
from miqa_node.core.domain.landmarks import SideMarker
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import Accelerator, Settings, load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.lookup import quality_score
from miqa_node.errors import ModelPackageError
from miqa_node.interfaces.cli.assess_json import document
from miqa_node.local import LocalResult
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.stages.assess.landmarks.card import PositioningPoint
from miqa_node.stages.assess.landmarks.estimate import LandmarkEstimate
from miqa_node.stages.assess.landmarks.findings import findings_of
from miqa_node.stages.assess.sidecars import SidecarModels, landmark_package, open_sidecar, read_any_card, switched_on
from tests.stages.assess.classify.test_sidecars import DIGEST, Quality
from tests.stages.assess.landmarks.making import STRAIGHT, estimate_of, letters_of, lungs_of, write_landmarks
from tests.stages.assess.making import RADIOGRAPH, chest_header, sha256

MEASURED = [
    "rotation_percent", "ribs_above_dome", "lung_height_ratio", "tilt_deg", "mirrored_percent", "cut_sides",
    "lung_margin", "lung_margin_left", "lung_margin_right", "lung_margin_top", "lung_margin_bottom",
]  # fmt: skip
CUT = {"cut": np.array([0.01, 0.02, 0.03, 0.97]), "margin": np.array([0.1, 0.1, 0.1, -0.1])}


def settings_of(folder: Path, **assess: Any) -> Settings:
    return load_settings(
        None,
        assess={"shipped_packages": False, "models_dir": str(folder / "models"), **assess},
        node={"data_dir": folder, "accelerator": "cpu"},
    )


def judged(
    settings: Settings, quality: Quality | None = None, valid: NDArray[np.bool_] | None = None, **header: Any
) -> Assessment:
    policy = read_policy(settings.policy_file)
    shape = (200, 160) if valid is None else valid.shape
    pixels = np.random.default_rng(1).integers(0, 65536, shape).astype(np.uint16)
    image = Radiograph(pixels, pixels, (0, 65535), (2.0, 2.5), valid)
    sidecars = SidecarModels(settings, lambda: quality or Quality(), lambda: policy)
    full_header = replace(chest_header(), **header)
    return sidecars.assess(full_header, image, DIGEST, RADIOGRAPH).assessment


def test_points_measurements_and_findings_are_added_to_the_assessment(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "models/landmarks-1.0.0")
    assessment = judged(settings_of(tmp_path))
    assert assessment.landmarks is not None
    assert assessment.landmarks.package == "landmarks-1.0.0"
    assert len(assessment.landmarks.sha256) == 64
    assert assessment.landmarks.points["apex_l"] == pytest.approx(STRAIGHT["apex_l"])
    assert set(assessment.landmarks.points) == set(STRAIGHT)
    assert [m.name for m in assessment.measurements] == MEASURED
    assert not [f.name for f in assessment.findings if f.present]
    assert {"lung_cut_left", "patient_rotated"} <= {f.name for f in assessment.findings}
    assert load_assessment(json.loads(json.dumps(dump_assessment(assessment)))) == assessment, "it is stored whole"


def test_a_package_that_finds_the_lung_field_outlines_both_lungs(tmp_path: Path) -> None:
    # The mean over the image and its mirror image: the tiny graphs say the same of both, so lungs must be symmetric.
    boxes = {"left": (0.125, 0.25, 0.4375, 0.75), "right": (0.5625, 0.25, 0.875, 0.75)}
    write_landmarks(tmp_path / "models/landmarks-1.0.0", estimate_of(lungs=lungs_of(boxes)))
    assessment = judged(settings_of(tmp_path))
    assert assessment.landmarks is not None
    for side, box in boxes.items():
        corners = np.array(assessment.landmarks.lungs[side])
        assert [*corners.min(0), *corners.max(0)] == pytest.approx(box, abs=0.01)
    share = assessment.measurement("lung_field_percent")
    assert share is not None
    assert share.value == pytest.approx(2 * 100 * 0.3125 * 0.5, rel=0.03)
    assert load_assessment(json.loads(json.dumps(dump_assessment(assessment)))) == assessment, "it is stored whole"


@pytest.mark.parametrize(
    ("letter", "x", "orientation", "verdict"),
    [
        ("L", 0.9, ("L", "F"), Verdict.ACCEPT),  # the patient's left is at the image's right
        ("L", 0.1, ("L", "F"), Verdict.REVIEW),
        ("R", 0.9, ("L", "F"), Verdict.REVIEW),
        ("D", 0.1, ("L", "F"), Verdict.ACCEPT),
        ("D", 0.9, ("L", "F"), Verdict.REVIEW),
        ("L", 0.1, ("R", "F"), Verdict.ACCEPT),  # stored the other way round, and the header says so
        ("L", 0.9, ("R", "F"), Verdict.REVIEW),
        ("L", 0.52, ("L", "F"), Verdict.ACCEPT),  # in the middle
        ("L", 0.48, ("L", "F"), Verdict.ACCEPT),
        ("R", 0.1, (), Verdict.ACCEPT),
        ("R", 0.9, (), Verdict.REVIEW),
    ],
)
def test_a_marker_on_the_wrong_side_asks_for_a_look(
    tmp_path: Path, letter: str, x: float, orientation: tuple[str, ...], verdict: Verdict
) -> None:
    # Pixels of a tiny graph's input that hold the image of 200 x 160: the 51 columns in the middle of 64.
    padded = (x * 51 + 6) / 64
    write_landmarks(tmp_path / "models/landmarks-1.0.0", letters=letters_of({letter: (padded, 0.3, 0.9)}))
    settings = settings_of(tmp_path)
    assessment = judged(settings, patient_orientation=orientation)
    assert assessment.landmarks is not None
    [marker] = assessment.landmarks.markers
    assert (marker.letter, marker.probability) == (letter, 0.9)
    assert [marker.x, marker.y] == pytest.approx([x, 0.3], abs=0.05)
    assert decide(assessment, read_policy(settings.policy_file)).verdict is verdict
    assert load_assessment(json.loads(json.dumps(dump_assessment(assessment)))) == assessment, "it is stored whole"


def test_a_marker_that_agrees_speaks_against_one_that_does_not(tmp_path: Path) -> None:
    letters = letters_of({"L": (0.85, 0.3, 0.95), "D": (0.85, 0.8, 0.9)})  # initials below an L
    write_landmarks(tmp_path / "models/landmarks-1.0.0", letters=letters)
    assessment = judged(settings_of(tmp_path), patient_orientation=("L", "F"))
    assert assessment.landmarks is not None
    assert [one.letter for one in assessment.landmarks.markers] == ["L", "D"]
    assert not [finding.name for finding in assessment.findings if finding.present]


@pytest.mark.parametrize(("mirrored", "severity"), [(0.1, 0.5), (0.95, 1.0)])
def test_a_wrong_marker_is_worse_where_the_heart_is_on_the_other_side_too(mirrored: float, severity: float) -> None:
    assert [one.severity for one in wrong_markers(estimate_of(mirrored=mirrored))] == [severity]


def wrong_markers(estimate: LandmarkEstimate) -> list[Finding]:
    marked = replace(estimate, markers=(SideMarker("L", 0.1, 0.2, 0.9),))
    return list(findings_of(marked, (200, 160), None, (), [PositioningPoint(name="side_marker_wrong", threshold=0.6)]))


def test_an_image_without_a_letter_has_no_contradiction(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "models/landmarks-1.0.0", letters=letters_of({"L": (0.1, 0.3, 0.2)}))
    assessment = judged(settings_of(tmp_path))
    assert assessment.landmarks is not None
    assert not assessment.landmarks.markers, "too uncertain to be reported"
    [finding] = [one for one in assessment.findings if one.name == "side_marker_wrong"]
    assert finding.probability == 0.0


def test_an_older_package_has_no_lung_field(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "models/landmarks-1.0.0")
    assessment = judged(settings_of(tmp_path))
    assert assessment.landmarks is not None
    assert not assessment.landmarks.lungs
    assert assessment.measurement("lung_field_percent") is None
    older = dump_assessment(assessment)
    del older["landmarks"]["lungs"], older["landmarks"]["markers"]  # as stored before there were such
    assert load_assessment(json.loads(json.dumps(older))) == assessment


def test_a_package_whose_lung_field_differs_here_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "models/landmarks-1.0.0"
    card = write_landmarks(folder, estimate_of(lungs=lungs_of()))
    golden = folder / "golden/0.json"
    values = json.loads(golden.read_text("utf-8"))["values"]
    values[-1] += 0.5
    golden.write_text(json.dumps({"values": values}), encoding="utf-8")
    card["files"]["golden/0.json"] = sha256(golden)
    (folder / "card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    with pytest.raises(ModelPackageError, match="differ"):
        open_sidecar(folder, Accelerator.CPU, settings_of(tmp_path).assess)


def test_a_cut_lung_asks_for_a_look_and_lowers_the_score(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "models/landmarks-1.0.0", estimate_of(**CUT))
    settings = settings_of(tmp_path)
    assessment = judged(settings)
    [cut] = [f for f in assessment.findings if f.present]
    assert (cut.name, cut.severity) == ("lung_cut_bottom", 1.0)
    disposition = decide(assessment, read_policy(settings.policy_file))
    assert disposition.verdict is Verdict.REVIEW
    assert [reason.name for reason in disposition.reasons] == ["lung_cut_bottom"]
    assert disposition.reasons[0].text.startswith("Bases of the lungs cut off")
    assert quality_score(assessment.findings) < 10


def test_a_cut_below_the_error_of_the_points_asks_for_nothing(tmp_path: Path) -> None:
    write_landmarks(
        tmp_path / "models/landmarks-1.0.0", estimate_of(**{**CUT, "margin": np.array([0.1, 0.1, 0.1, -0.001])})
    )
    settings = settings_of(tmp_path)
    assessment = judged(settings)
    [cut] = [f for f in assessment.findings if f.present]
    assert cut.name == "lung_cut_bottom"
    assert cut.severity < 0.1
    assert decide(assessment, read_policy(settings.policy_file)).verdict is Verdict.ACCEPT


@pytest.mark.parametrize(
    ("slight", "marked", "verdict"),
    [
        (0.95, 0.95, Verdict.REVIEW),
        (0.95, 0.05, Verdict.REVIEW),
        (0.65, 0.95, Verdict.ACCEPT),
        (0.72, 0.0, Verdict.ACCEPT),  # a degree that readers call straight
    ],
)
def test_only_sure_rotation_of_a_degree_that_readers_call_asks_for_a_look(
    tmp_path: Path, slight: float, marked: float, verdict: Verdict
) -> None:
    estimate = estimate_of(grade=np.array([slight, marked, 0.9, 0.5]))
    write_landmarks(tmp_path / "models/landmarks-1.0.0", estimate)
    settings = settings_of(tmp_path)
    assert decide(judged(settings), read_policy(settings.policy_file)).verdict is verdict


def test_nothing_is_said_outside_of_frontal_chests_or_where_too_little_is_seen(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "models/landmarks-1.0.0")
    settings = settings_of(tmp_path)
    assert judged(settings, view_position="LL").landmarks is None
    assert judged(settings, Quality(gate=0.9)).landmarks is None
    few = np.where(np.arange(12) < 4, 0.9, 0.1)
    write_landmarks(tmp_path / "models/landmarks-1.0.1", estimate_of(visible=few), version="1.0.1")
    assert landmark_package(settings) == "landmarks-1.0.1"
    assert judged(settings).landmarks is None
    assert judged(settings).measurements == ()


def test_without_a_package_there_are_simply_no_points(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assessment = judged(settings)
    assert assessment.landmarks is None
    assert assessment.predictions == ()
    assert not {m.name for m in assessment.measurements} & set(MEASURED)
    SidecarModels(settings, Quality, lambda: read_policy(settings.policy_file)).check()


def test_the_settings_choose_a_version_or_none(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "models/landmarks-1.0.0")
    write_landmarks(tmp_path / "models/landmarks-1.1.0", version="1.1.0")
    named = settings_of(tmp_path, landmarks_package="landmarks-1.0.0")
    landmarks = judged(named).landmarks
    assert landmarks is not None
    assert landmarks.package == "landmarks-1.0.0"
    assert switched_on(tmp_path / "models/landmarks-1.0.0", named)
    assert not switched_on(tmp_path / "models/landmarks-1.1.0", named)
    assert judged(settings_of(tmp_path, landmarks_package="off")).landmarks is None


def test_a_damaged_package_keeps_no_image_waiting_but_readiness_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "models/landmarks-1.0.0"
    write_landmarks(folder)
    (folder / "close_up.onnx").write_bytes(b"x")
    settings = settings_of(tmp_path)
    assessment = judged(settings)
    assert assessment.landmarks is None
    assert assessment.predictions == (), "nobody waits for it"
    with pytest.raises(ModelPackageError, match=r"close_up\.onnx is not the file"):
        SidecarModels(settings, Quality, lambda: read_policy(settings.policy_file)).check()


def test_a_package_is_checked_before_it_is_used(tmp_path: Path) -> None:
    def opened(folder: Path) -> None:
        open_sidecar(folder, Accelerator.CPU, settings_of(tmp_path).assess)

    folder = tmp_path / "a/landmarks-1.0.0"
    card = write_landmarks(folder)
    opened(folder)
    assert read_any_card(folder).graphs == ("model.onnx", "close_up.onnx")

    values = json.loads((folder / "golden/0.json").read_text())["values"]
    (folder / "golden/0.json").write_text(json.dumps({"values": [values[0] + 0.1, *values[1:]]}))
    card["files"]["golden/0.json"] = sha256(folder / "golden/0.json")
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    with pytest.raises(ModelPackageError, match=r"differ by 0\.1"):
        opened(folder)

    other = tmp_path / "b/landmarks-1.0.0"
    write_landmarks(other, leave_out="cut")
    with pytest.raises(ModelPackageError, match=r"model\.onnx has no output cut"):
        opened(other)


def test_json_says_whose_left_it_means(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "models/landmarks-1.0.0", estimate_of(**CUT))
    settings = settings_of(tmp_path)
    assessment = judged(settings)
    pixels = np.zeros((4, 4), np.uint16)
    disposition = decide(assessment, read_policy(settings.policy_file))
    result = LocalResult(
        tmp_path / "a.dcm", True, assessment, disposition, SaliencyMaps(), Radiograph(pixels, pixels, (0, 1), None)
    )
    text = document(result.source, result, 0.1)
    assert text["landmarks"]["side"] == "image"
    assert text["landmarks"]["apex_l"] == pytest.approx(STRAIGHT["apex_l"])
    assert set(text["landmarks"]) == {"side", *STRAIGHT}
    assert set(MEASURED) <= set(text["measurements"])
    cut = text["measurements"]["cut_sides"]
    assert cut["value"] == pytest.approx(1.03, abs=1e-3)
    assert cut["sides"] == ["bottom"]
    assert cut["chances"]["bottom"] == pytest.approx(0.97)
    without = replace(result, assessment=replace(assessment, landmarks=None))
    assert document(result.source, without, 0.1)["landmarks"] is None
