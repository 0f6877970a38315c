"""The evaluation report: what it counts, that its pictures are the judged ones, and that its page needs nobody else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.taxonomy.lookup import defect_names
from miqa_node.errors import SettingsError
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_training.datasets import DatasetRecord
from miqa_training.evaluate import EvaluationCases
from miqa_training.report import figures as drawn
from miqa_training.report import measures
from miqa_training.report.evaluation import EvaluationOptions, evaluate_package
from miqa_training.report.material import labelled, protocol
from miqa_training.report.subject import ABSENT_LOGIT, EvaluationSubject
from miqa_training.samples import CLASSES, COLUMN
from miqa_training.scores import JudgedCase, eight_bits
from tests.conftest import ROOT
from tests.packages.training.hospital import write_data, write_labelled
from tests.stages.assess.making import RADIOGRAPH, chest_dataset, chest_header, radiograph, write_package

pytestmark = pytest.mark.more

BLUR = FindingName.MOTION_BLUR


def case(patient: str, logit: float, made: str = "", level: float = 0.0, source: str = "a") -> JudgedCase:
    logits = np.full(len(CLASSES), -9.0, np.float32)
    logits[COLUMN[BLUR]] = logit
    record = DatasetRecord(Path(f"{patient}.png"), source, "", patient, "PA", "", ())
    return JudgedCase(record, made, level, logits, np.zeros(len(CLASSES), np.float32))


def judged() -> EvaluationCases:
    clean = [case(f"p{n}", -2.0 + 0.1 * n) for n in range(20)]
    bad = [case(f"p{n}", 0.1 * n - 1.0, BLUR, 0.5 + 0.5 * (n % 2), "ab"[n % 2]) for n in range(20)]
    return EvaluationCases(clean, bad, [], [], [])


def test_curves_agree_with_counting() -> None:
    positive, negative = np.array([3.0, 2.0, 0.5]), np.array([1.0, 0.0])
    curve = measures.roc(positive, negative)
    assert curve[0] == pytest.approx(2 / 3)
    assert curve[-1] == 1.0
    assert np.all(np.diff(curve) >= 0)
    precision, average = measures.precision_recall(positive, negative)
    assert average == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert precision[0] == 1.0
    assert precision[-1] == 0.75


def test_finding_has_intervals_by_severity_and_source() -> None:
    row = measures.finding_curves(judged(), BLUR)
    low, high = row["auroc_interval"]
    assert low <= row["auroc"] <= high
    assert row["positives"] == row["negatives"] == 20
    assert row["by_severity"]["0.5"]["positives"] == 10
    assert row["by_severity"]["0.25"] == {"auroc": None, "interval": None, "positives": 0, "negatives": 20}
    assert set(row["by_source"]) == {"a"}, "sources are those of the images as they are"
    assert len(row["roc"]) == len(row["roc_band"][0]) == measures.CURVE_POINTS


def test_an_image_of_which_nobody_knows_is_not_calibrated_with() -> None:
    cases, expected = measures.labelled(judged(), BLUR)
    assert len(cases) == 40
    assert expected.sum() == 20
    unknown = judged()
    unknown.clean[0] = JudgedCase(
        DatasetRecord(Path("x"), "a", "", "x", "", "", None),
        "",
        0.0,
        unknown.clean[0].logits,
        unknown.clean[0].severity,
    )
    cases, expected = measures.labelled(unknown, FindingName.FOREIGN_OBJECT)
    assert len(cases) == 39
    assert not expected.any()


def test_a_model_worse_than_chance_has_a_bar() -> None:
    """The axis began at 0.4: the bar of 0.2 was missing, like one of a finding that was not judged."""
    rows = [{"package": "tiny", "mean_auroc": 0.6, "findings": {"noise": 0.2, "unsharp": 1.0, "gate": None}}]
    assert ">0.2<" in drawn.comparison_bars(rows)
    rows[0]["findings"] = {"noise": 0.6}
    assert ">0.2<" not in drawn.comparison_bars(rows)


def test_an_image_with_two_findings_counts_once_for_each() -> None:
    """It was also counted as free of both: of images that were all blurred, half were called sharp."""
    record = DatasetRecord(Path("x"), "a", "", "x", "", "", (), findings=frozenset({BLUR, FindingName.NOISE}))
    both = [replace(case("x", 3.0, made, 1.0), record=record) for made in (BLUR, FindingName.NOISE)]
    clean = [case("y", -3.0)]
    for finding in (BLUR, FindingName.NOISE):
        cases, expected = measures.labelled(EvaluationCases(clean, both, [], [], []), finding)
        assert [one.made for one in cases] == ["", finding]
        assert expected.tolist() == [False, True]


def test_counts_at_an_operating_point() -> None:
    row = measures.classification(np.array([0.9, 0.6, 0.2]), np.array([0.7, 0.1, 0.1, 0.1]), 0.5)
    assert (row["true_positive"], row["false_positive"], row["false_negative"], row["true_negative"]) == (2, 1, 1, 3)
    assert row["accuracy"] == pytest.approx(5 / 7, abs=1e-3)
    assert row["precision_at_point"] == row["recall"] == row["f1"] == pytest.approx(2 / 3, abs=1e-3)
    assert measures.classification(np.array([0.1]), np.array([0.1]), 0.5)["precision_at_point"] is None


def test_confusion_counts_every_marked_case_once() -> None:
    def probability(logits: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-logits.astype(np.float64)))

    table = measures.confusion(judged(), probability, np.full(len(CLASSES), 0.5))
    counts = np.array(table["counts"])
    blur, none = table["names"].index(BLUR), table["names"].index(measures.NOTHING)
    assert counts.sum() == 40
    assert counts[blur, blur] == 10
    assert counts[blur, none] == 10
    assert counts[none, none] == 20


def test_reliability_of_honest_and_of_boastful_probabilities() -> None:
    rng = np.random.default_rng(0)
    stated = rng.uniform(size=20000)
    expected = rng.uniform(size=20000) < stated
    honest, boastful = measures.reliability(stated, expected), measures.reliability(np.sqrt(stated), expected)
    assert honest["expected_calibration_error"] < 0.02
    assert boastful["expected_calibration_error"] > 0.1
    assert honest["brier"] < boastful["brier"]
    assert sum(row[2] for row in honest["bins"]) == 20000


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-1.0.0"
    write_package(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), training=6, evaluation=4)


def test_pictures_of_a_gallery_are_those_that_were_judged(package: Path, data: Path) -> None:
    subject = EvaluationSubject(package)
    material = protocol(subject, data, seed=7, draws=1)
    assert len(material.judged.simulated) == 4 * (len(defect_names()) - 2) + 2 * 3 * 2
    for one in [*material.judged.simulated, *material.judged.clean]:
        display = np.rint(material.image(one) * np.float32(65535)).astype(np.uint16)
        assert np.array_equal(subject(display).logits, one.logits), one.made


@pytest.mark.long
def test_report_of_the_protocol(package: Path, data: Path, tmp_path: Path) -> None:
    second = tmp_path / "other-1.0.0"
    write_package(second, name="other")
    wishes = EvaluationOptions(
        draws=1, gallery=1, against=(second,), methods=("class_map", "centre", "random"), saliency_images=2, curves=1
    )
    figures = evaluate_package(package, data, tmp_path / "out", wishes)

    assert json.loads((tmp_path / "out" / "figures.json").read_text()) == figures
    assert set(figures["findings"]) == set(defect_names())
    assert figures["mean_auroc"] == pytest.approx(np.mean([r["auroc"] for r in figures["findings"].values()]), abs=1e-3)
    assert [row["package"] for row in figures["comparison"]] == ["tiny-1.0.0", "other-1.0.0"]
    assert figures["comparison"][0]["findings"] == figures["comparison"][1]["findings"], "the same graph, same images"
    assert figures["population"] == {"adult": {"images": 4, "mean_auroc": None}}
    assert set(figures["saliency"]["methods"]) == {"class_map", "centre", "random"}
    assert "insertion" in figures["saliency"]["methods"]["class_map"]
    assert_page(tmp_path / "out" / "report.html", ("Pointing Game", "other-1.0.0", "Gate", "data:image/jpeg;base64,"))


def test_labelled_folder_without_torch(package: Path, tmp_path: Path) -> None:
    """In a process where torch cannot be imported: measuring a package takes ONNX Runtime and no training stack."""
    labelled, out = write_labelled(tmp_path / "labelled"), tmp_path / "out"
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from miqa_node.interfaces.cli.app import run\n"
        f"sys.exit(run(['evaluate', {str(package)!r}, '--data', {str(labelled)!r}, '--out', {str(out)!r}]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "noise" in ran.stdout
    figures = json.loads((out / "figures.json").read_text())
    assert list(figures["findings"]) == ["noise"]
    row = figures["findings"]["noise"]
    assert (row["positives"], row["negatives"]) == (4, 4)
    assert sum(figures["left_out"].values()) == 1
    assert figures["saliency"] is None
    assert not figures["simulated"]
    assert_page(out / "report.html", ("labelled images",))


def test_a_package_that_knows_few_findings_is_measured_by_those(tmp_path: Path) -> None:
    code = {"value": "111210", "scheme": "DCM", "meaning": "Motion blur"}
    names = ["noise", "inverted"]
    classes = [
        {"name": n, "gate": n == "inverted", "code": code, "threshold": 0.5, "temperature": 1.0, "bias": 0.0}
        for n in names
    ]
    folder = tmp_path / "few-1.0.0"
    write_package(folder, name="few", outputs={"classes": classes}, golden=[])
    subject = EvaluationSubject(folder)
    judged_subject = subject(np.full((80, 60), 30000, np.uint16))
    assert subject.known == names
    assert judged_subject.logits[COLUMN[BLUR]] == ABSENT_LOGIT
    assert judged_subject.logits[COLUMN["noise"]] > ABSENT_LOGIT


def test_a_file_is_judged_with_its_header_as_in_the_node() -> None:
    """Exposure indices weigh in on noise and dose; the report judged every file as if it had none."""
    [folder] = sorted((ROOT / "models").glob("quality-[0-9]*/"))
    subject = EvaluationSubject(folder)
    header = chest_header(exposure_index=50.0, target_exposure_index=400.0, deviation_index=-9.0)
    image = radiograph(3, (400, 320))

    prediction = subject.judge_file(header, image)

    result = ImageAssessor(subject.package).assess(header, image, InstanceDigest("0" * 64), RADIOGRAPH)
    of_node = {f.name: f.probability for f in result.assessment.findings}
    probability = subject.scales.probability(prediction.logits)
    for name in (FindingName.UNDEREXPOSURE, FindingName.NOISE, FindingName.MOTION_BLUR):
        assert probability[COLUMN[name]] == pytest.approx(of_node[name], abs=1e-5), name


def test_images_that_the_node_does_not_judge_are_left_out(package: Path, tmp_path: Path) -> None:
    for number, label in enumerate(("good", "good", "noise", "noise")):
        ds = chest_dataset(number)
        ds.BodyPartExamined = "HAND" if number in {1, 3} else "CHEST"
        (tmp_path / label).mkdir(exist_ok=True)
        ds.save_as(tmp_path / label / f"{number}.dcm")
    material = labelled(EvaluationSubject(package), tmp_path, simulate=False, seed=7, draws=1)
    assert (len(material.judged.clean), len(material.judged.simulated)) == (1, 1)
    assert list(material.left_out.values()) == [2]


def test_simulated_defects_have_no_second_signature(package: Path, tmp_path: Path) -> None:
    """Good images were judged with all their bits and their headers, those with simulated defects in 8 bits without."""
    subject = EvaluationSubject(package)
    (tmp_path / "good").mkdir()
    chest_dataset(1).save_as(tmp_path / "good" / "1.dcm")
    material = labelled(subject, tmp_path, simulate=True, seed=7, draws=1)
    [case] = material.judged.clean
    image = material.load(case.record)
    assert len(np.unique(image)) > 256
    assert np.array_equal(case.logits, subject(eight_bits(image)).logits)


def test_labels_that_leave_nothing_to_compare_are_refused(package: Path, tmp_path: Path) -> None:
    labelled = write_labelled(tmp_path, each=1)
    (labelled / "noise" / "0.png").unlink()
    with pytest.raises(SettingsError, match="labelled good"):
        evaluate_package(package, labelled, tmp_path / "out", EvaluationOptions())


def assert_page(path: Path, words: tuple[str, ...]) -> None:
    """It holds the words, is whole, and asks nothing of any server."""
    page = path.read_text()
    for word in words:
        assert word in page
    assert page.rstrip().endswith("</html>")
    assert "nan" not in re.findall(r"[a-z]+", re.sub(r"data:[^\"]+|<svg.*?</svg>", "", page, flags=re.DOTALL))
    links = re.findall(r"""(?:src|href)=["']([^"']+)|url\(([^)]+)\)|@import""", page)
    assert all(not (a or b) or (a or b).lstrip("'\"").startswith(("#", "data:")) for a, b in links)
    assert "<script" not in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)), "figures must not share ids, for a clip path of one would cut another"
