"""A package that was taught what is ordinary: what it says of images, how it is checked, and the site's baseline."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import structlog
import yaml

from miqa_node.core.domain.finding import Finding, FindingName
from miqa_node.core.domain.image import SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.core.taxonomy.lookup import reason_code
from miqa_node.errors import InferenceError, ModelPackageError
from miqa_node.runtime.store.arrays import dump_maps, load_maps
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.stages.assess.anomaly.baseline import baseline_path, make_baseline, write_baseline
from miqa_node.stages.assess.anomaly.detector import AnomalyDetector
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.bare import ANOMALY_KEY, pack
from miqa_node.stages.assess.card import GRAPH_NAME, METADATA_KEY, read_card
from miqa_node.stages.assess.contracts.base import ModelMaterial
from miqa_node.stages.assess.maps import with_peaks
from miqa_node.stages.assess.packages import Package, open_package
from tests.stages.assess.making import RADIOGRAPH, chest_header

pytest.importorskip("sklearn")
from tests.stages.assess.anomaly.making import odd_pixels, pixels, radiograph

DIGEST = InstanceDigest("0" * 64)


def opened(folder: Path, *, goldens_required: bool = True) -> Package:
    return open_package(folder, Accelerator.CPU, load_settings().assess, goldens_required=goldens_required)


def judged(package: Package, values: np.ndarray, data_dir: Path | None = None) -> AssessorResult:
    return ImageAssessor(package, data_dir=data_dir).assess(chest_header(), radiograph(values), DIGEST, RADIOGRAPH)


@pytest.fixture
def copy(taught: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(taught, tmp_path / taught.name))


@pytest.fixture(scope="module")
def package(taught: Path) -> Package:
    return opened(taught)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_outputs_that_are_no_numbers_have_no_score(package: Package, value: float) -> None:
    """The forest scored NaN like an image, and the map of it was none; the spread of 1e30 is infinite."""
    assert package.anomaly is not None
    inputs = package.contract.prepare(package.card, ModelMaterial(radiograph(pixels(5)), (), header=chest_header()))
    outputs = dict(package.run(inputs.arrays))
    outputs["maps"] = outputs["maps"].copy()
    outputs["maps"][0, 0, 0, 0] = value
    with pytest.raises(InferenceError, match="anomaly score gave values for the image"):
        AnomalyDetector(package.anomaly, package.name, None).judge(outputs, inputs)


def test_ordinary_images_are_spread_over_the_percentiles_and_have_no_map(package: Package) -> None:
    judgements = [judged(package, pixels(1000 + number)) for number in range(40)]

    percentiles = [one.assessment.anomaly.training_percentile for one in judgements if one.assessment.anomaly]
    assert len(percentiles) == 40
    assert 25 < np.mean(percentiles) < 75
    assert np.std(percentiles) > 15
    for one in judgements:
        assert one.assessment.anomaly is not None
        assert (one.maps.anomaly is None) == (one.assessment.anomaly.percentile < 95)


def test_out_of_scope_or_without_the_knowledge_nothing_is_said(package: Package, tmp_path: Path) -> None:
    from tests.stages.assess.making import write_package

    header = chest_header(body_part_examined="HAND")
    assert (
        ImageAssessor(package).assess(header, radiograph(odd_pixels(1)), DIGEST, RADIOGRAPH).assessment.anomaly is None
    )
    write_package(tmp_path / "tiny-1.0.0")
    plain = judged(opened(tmp_path / "tiny-1.0.0"), odd_pixels(1))
    assert plain.assessment.anomaly is None
    assert plain.maps.anomaly is None


def test_an_assessment_keeps_its_anomaly_in_the_database(package: Package) -> None:
    assessment = judged(package, odd_pixels(2)).assessment

    document = json.loads(json.dumps(dump_assessment(assessment)))

    assert load_assessment(document).anomaly == assessment.anomaly
    del document["anomaly"]  # written by an earlier version
    assert load_assessment(document).anomaly is None


def test_the_map_lies_beside_those_of_findings_and_is_none_of_them() -> None:
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    maps = SaliencyMaps({FindingName.UNSHARP: SaliencyMap(values, "class")}, SaliencyMap(1 - values, "patchcore"))
    loaded = load_maps(dump_maps(maps))

    assert set(loaded.findings) == {FindingName.UNSHARP}
    detector = loaded.anomaly
    assert detector is not None
    assert detector.method == "patchcore"
    assert np.abs(detector.values - (1 - values)).max() < 1e-3
    assert load_maps(dump_maps(SaliencyMaps())).anomaly is None


def test_a_finding_that_is_present_says_where_its_map_is_highest() -> None:
    values = np.zeros((4, 8), np.float32)
    values[3, 1] = 0.7
    maps = {FindingName.UNSHARP: SaliencyMap(values, "class"), FindingName.MOTION_BLUR: SaliencyMap(values, "class")}
    maps[FindingName.GRID_ARTIFACT] = SaliencyMap(np.zeros((4, 8), np.float32), "class")
    probabilities = {FindingName.UNSHARP: 0.9, FindingName.MOTION_BLUR: 0.1, FindingName.GRID_ARTIFACT: 0.9}
    findings = [Finding(name, reason_code(name), p, 0.5, 0.5) for name, p in probabilities.items()]
    peaks = {finding.name: finding.peak for finding in with_peaks(findings, maps)}
    assert peaks == {
        FindingName.UNSHARP: (0.1875, 0.875),
        FindingName.MOTION_BLUR: None,
        FindingName.GRID_ARTIFACT: None,
    }


def test_teaching_changes_card_and_checksums_but_not_the_graph(taught: Path, tmp_path: Path) -> None:
    from tests.stages.assess.making import write_package

    before = write_package(tmp_path / "tiny-1.0.0")
    old, new = onnx.load(tmp_path / "tiny-1.0.0" / GRAPH_NAME), onnx.load(taught / GRAPH_NAME)

    assert new.graph == old.graph
    card = yaml.safe_load((taught / "card.yaml").read_text("utf-8"))
    embedded = json.loads({p.key: p.value for p in new.metadata_props}[METADATA_KEY])
    assert embedded == {k: v for k, v in card.items() if k != "files"}
    assert card["files"].keys() == before["files"].keys() | {"anomaly.npz", "anomaly.onnx"}


@pytest.mark.parametrize("name", ["anomaly.npz", "anomaly.onnx"])
def test_an_altered_or_missing_file_is_refused(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(ModelPackageError, match=f"{name} is not the file that the card was written for"):
        opened(copy)

    (copy / name).unlink()
    with pytest.raises(ModelPackageError, match=f"{name} is missing"):
        opened(copy)


@pytest.mark.parametrize("name", ["anomaly.npz", "anomaly.onnx"])
def test_a_card_that_gives_no_checksum_of_the_file_is_refused(copy: Path, name: str) -> None:
    card = yaml.safe_load((copy / "card.yaml").read_text("utf-8"))
    del card["files"][name]
    (copy / "card.yaml").write_text(yaml.safe_dump(card))

    with pytest.raises(ModelPackageError, match=f"no checksum of {name}"):
        opened(copy)


def test_a_section_for_another_graph_is_refused(copy: Path) -> None:
    from miqa_training.seal import seal

    card = yaml.safe_load((copy / "card.yaml").read_text("utf-8"))
    card["anomaly"]["blocks"][0]["tensors"] = ["tap_of_another"]
    seal(copy, card)

    with pytest.raises(ModelPackageError, match="no output called tap_of_another"):
        opened(copy)


def test_a_bare_file_carries_it_along_and_works_without(taught: Path, tmp_path: Path, package: Package) -> None:
    bare = tmp_path / "tiny-1.0.0.onnx"
    pack(taught, read_card(taught), GRAPH_NAME, bare)

    assert judged(opened(bare), odd_pixels(3)).assessment.anomaly == judged(package, odd_pixels(3)).assessment.anomaly

    dropped = onnx.load(bare)
    properties = {p.key: p.value for p in dropped.metadata_props if p.key != ANOMALY_KEY}
    del dropped.metadata_props[:]
    onnx.helper.set_model_props(dropped, properties)
    onnx.save(dropped, bare)
    assert judged(opened(bare), odd_pixels(3)).assessment.anomaly is None


def test_a_sites_baseline_takes_effect_while_the_node_runs(package: Package, tmp_path: Path) -> None:
    assessor = ImageAssessor(package, data_dir=tmp_path)

    def anomaly() -> Any:
        score = assessor.assess(chest_header(), radiograph(pixels(77)), DIGEST, RADIOGRAPH).assessment.anomaly
        assert score is not None
        return score

    def put(scores: list[float], sha256: str) -> None:
        now = datetime.now(UTC)
        made = make_baseline(scores, package=package.name, anomaly_sha256=sha256, site="", now=now)
        write_baseline(baseline_path(tmp_path, package.name), made)

    assert package.anomaly is not None
    assert anomaly().site_percentile is None
    put([0.01] * 300, package.anomaly.sha256)
    unusual = anomaly()
    assert unusual.site_percentile == pytest.approx(100 * 300 / 301)
    assert (unusual.is_of_site, unusual.percentile) == (True, unusual.site_percentile)
    put([0.99] * 250, package.anomaly.sha256)
    assert anomaly().percentile == 0.0
    put([0.99] * 251, "cd" * 32)
    with structlog.testing.capture_logs() as lines:
        assert anomaly().site_percentile is None
        assert anomaly().site_percentile is None
    assert [line["reason"] for line in lines if "reason" in line] == ["it was made for another version of the package"]


def test_a_damaged_baseline_never_keeps_images_from_being_judged(package: Package, tmp_path: Path) -> None:
    path = baseline_path(tmp_path, package.name)
    path.parent.mkdir()
    path.write_bytes(b"{")

    with structlog.testing.capture_logs() as lines:
        anomaly = judged(package, pixels(5), tmp_path).assessment.anomaly

    assert anomaly is not None
    assert anomaly.site_percentile is None
    assert len(lines) == 1


@pytest.mark.more
def test_an_odd_image_is_unusual_and_the_map_shows_where(package: Package) -> None:
    judgement = judged(package, odd_pixels(500))

    anomaly, made = judgement.assessment.anomaly, judgement.maps.anomaly
    assert anomaly is not None
    assert anomaly.training_percentile > 99
    assert anomaly.site_percentile is None
    assert not anomaly.is_of_site
    assert made is not None
    rows, columns = made.values.shape
    row, column = np.unravel_index(int(made.values.argmax()), made.values.shape)
    assert (row + 0.5) / rows > 0.6
    assert (column + 0.5) / columns < 0.45
    assert "anomaly" in judgement.assessment.timings_ms


@pytest.mark.more
def test_teaching_again_gives_the_same_bytes(taught: Path, tmp_path: Path) -> None:
    from tests.stages.assess.anomaly.making import taught_package

    again = taught_package(tmp_path / taught.name)

    for name in ("anomaly.npz", "anomaly.onnx"):
        assert (again / name).read_bytes() == (taught / name).read_bytes()
    assert (again / GRAPH_NAME).read_bytes() == (taught / GRAPH_NAME).read_bytes()
