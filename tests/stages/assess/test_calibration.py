"""Labels become temperatures, operating points and a certificate that is bound to what it was made for."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from miqa_node.core.domain.assessment import Assessment, ModelIdentity
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import Finding, FindingName, GateClass
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.lookup import defect_names, gate_names, reason_code
from miqa_node.errors import ModelPackageError, SettingsError
from miqa_node.features.labels.calibration import CalibrationCase, CalibrationTarget, make_calibration
from miqa_node.libraries.plain_statistics.guarantee import Promise
from miqa_node.libraries.plain_statistics.platt import LEAST_LABELS, Scaling, calibration_error, fit_scaling
from miqa_node.stages.assess.card import Card, OutputClass, read_card
from miqa_node.stages.assess.certificate import Certificate, Guarantee
from miqa_node.stages.assess.labels import (
    LabelSet,
    SiteLabel,
    fair_sample,
    parse_label,
    read_audit,
    read_labels,
    split_patients,
)
from miqa_node.stages.assess.site_calibration import (
    SiteCalibration,
    apply_calibration,
    calibration_path,
    certificate_sentence,
    in_force,
    read_calibration,
    write_calibration,
)
from tests.policies import ACCEPT, policy_of
from tests.stages.assess.making import chest_header, write_package

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
POLICY = policy_of(ACCEPT, {"finding": [*defect_names()], "then": "REVIEW", "evidence": "card"}, version="p1")
SHA = "c" * 64


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    folder = tmp_path_factory.mktemp("models") / "tiny-1.0.0"
    write_package(folder)
    return read_card(folder)


def judged(
    card: Card, count: int, *, separation: float = 9.0, prevalence: float = 0.3, seed: int = 1
) -> list[CalibrationCase]:
    """Images whose motion blur a head tells with raw logits ±separation/2 and noise of 1; the others never fire."""
    rng = np.random.default_rng(seed)
    row = next(row for row in card.outputs.classes if row.name == "motion_blur")
    made = []
    for number in range(count):
        bad = bool(rng.random() < prevalence)
        raw = rng.normal(separation / 2 if bad else -separation / 2)
        blur = 1.0 / (1.0 + math.exp(-(raw + row.bias) / row.temperature))
        findings = [
            Finding(name, reason_code(name), blur if name == FindingName.MOTION_BLUR else 0.01, 0.6, 0.5)
            for name in defect_names()
        ]
        gate = dict.fromkeys(gate_names(), 0.01)
        findings.append(Finding(FindingName.GATE, reason_code(GateClass.BLANK), 0.01, 0.01, 0.5))
        assessment = Assessment(
            InstanceDigest(f"{number:064x}"), chest_header(number), NOW, tuple(findings), gate,
            model=ModelIdentity("tiny", "1.0.0", SHA),
        )  # fmt: skip
        label = SiteLabel(Path(f"{number}.png"), frozenset({"motion_blur"} if bad else ()), f"patient {number}")
        made.append(CalibrationCase(label, assessment))
    return made


def calibrate(
    card: Card, images: list[CalibrationCase], *, covers_accepted: bool = True, **wishes: Any
) -> SiteCalibration:
    label_set = LabelSet(tuple(one.label for one in images), "table", covers_accepted=covers_accepted)
    return make_calibration(images, label_set, card, SHA, POLICY, "General", CalibrationTarget(**wishes), NOW)


def test_no_labels_at_all(card: Card) -> None:
    made = calibrate(card, [])
    assert {refusal.n for refusal in made.certificate.refused} == {0}
    assert all(refusal.labels_needed for refusal in made.certificate.refused)


# ── Platt scaling ──


def test_scaling_is_found_again() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=20_000) * 4
    present = rng.random(20_000) < Scaling(2.5, 1.0).probability(logits)
    result = fit_scaling(logits, present)
    assert result is not None
    assert result.temperature == pytest.approx(2.5, rel=0.05)
    assert result.bias == pytest.approx(1.0, abs=0.1)
    raw = calibration_error(Scaling(1.0, 0.0).probability(logits), present)
    assert calibration_error(result.probability(logits), present) < 0.02 < raw


def test_scaling_is_refused_where_labels_are_few_or_the_head_knows_nothing() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=400)
    assert fit_scaling(logits, np.arange(400) < LEAST_LABELS - 1) is None
    assert fit_scaling(logits, logits < 0.0) is None, "higher logits where it is absent"
    separated = fit_scaling(logits, logits > 0.0)
    assert separated is not None
    assert 0.0 < separated.temperature < 1.0


# ── the file and what it is bound to ──


@pytest.fixture(scope="module")
def made(card: Card) -> SiteCalibration:
    return calibrate(card, judged(card, 600))


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b" " * 1_000_001)
    with pytest.raises(ModelPackageError, match="never larger"):
        read_calibration(tmp_path / "x.yaml")


def test_the_card_of_a_package_may_certify_for_simulated_defects(card: Card, tmp_path: Path) -> None:
    from miqa_node.stages.assess.certificate import policy_sha256

    certificate = Certificate(
        made_on=date(2026, 1, 2), world="simulated", site="", policy_version="p1", policy_sha256=policy_sha256(POLICY),
        guarantees=(Guarantee(promise=Promise.BAD_ACCEPTED, limit=0.05, delta=0.05, n=100, k=1, upper_limit=0.047),),
    )  # fmt: skip
    shipped = Card.model_validate(yaml.safe_load(yaml.safe_dump(card.model_dump(mode="json"))) | {
        "certificate": certificate.model_dump(mode="json")
    })  # fmt: skip
    none = in_force(tmp_path / "none.yaml", shipped, SHA, "General")
    assert certificate_sentence(shipped, none, POLICY, "General") == (
        "certified 2026-01-02, for simulated defects only: of bad images at most 5 % are accepted "
        "(95 % confidence, 1 of 100)"
    )
    assert certificate_sentence(card, none, POLICY, "General") == (
        "no certificate: this package was not calibrated with labels of the site"
    )


# ── labels ──


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("good/1.png", "good/2.png", "motion_blur/3.png", "bad/4.png"):
        path = tmp_path / "labels" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    return tmp_path / "labels"


def test_a_folder_is_labelled_by_its_folders(pictures: Path) -> None:
    label_set = read_labels(pictures)
    assert [(label.path.name, label.findings, label.bad) for label in label_set.labels] == [
        ("4.png", None, True),
        ("1.png", frozenset(), False),
        ("2.png", frozenset(), False),
        ("3.png", frozenset({"motion_blur"}), True),
    ]
    assert not label_set.patients_known


def test_a_table_says_who_and_how_it_was_sampled(pictures: Path) -> None:
    table = pictures / "labels.csv"
    table.write_text(
        "image,label,patient,sampled\n"
        "good/1.png,good,A,0.1\n"
        "motion_blur/3.png,motion_blur; foreign_object,B,\n"
        "bad/4.png,bad,B,1\n"
    )
    label_set = read_labels(table)
    assert [label.sampled for label in label_set.labels] == [0.1, 1.0, 1.0]
    assert [label.patient for label in label_set.labels] == ["A", "B", "B"]
    assert label_set.labels[1].findings == frozenset({"motion_blur", "foreign_object"})
    assert label_set.patients_known


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("image,label\nnone.png,good\n", "line 2: there is no file 'none.png'"),
        ("image,verdict\ngood/1.png,good\n", "no column label"),
        ("a,b\n", "no column image and label"),
        ("image,label\ngood/1.png,blurry\n", "'blurry' is not a label"),
        ("image,label\ngood/1.png,good; motion_blur\n", "is not a label"),
        ("image,label,sampled\ngood/1.png,good,0\n", "labels.csv, line 2: sampled"),
        ("image,label,sampled\ngood/1.png,good,often\n", "labels.csv, line 2: sampled"),
        ("image,label\n\ngood/1.png,good\n\ngood/2.png,\n", "labels.csv, line 5: '' is not a label"),
        ("label,image\ngood\n", "line 2: there is no file ''"),
        (f"image,label\n{'a' * 300}.png,good\n", "line 2: there is no file"),
        ("image,label\ngood/1.png,good\ngood/1.png,bad\n", "line 3: 'good/1.png' has a line above"),
        ("image,label\n", "holds no labelled images"),
        ("", "has no column image and label"),
    ],
)
def test_a_wrong_table_is_named(pictures: Path, text: str, says: str) -> None:
    (pictures / "labels.csv").write_text(text)
    with pytest.raises(SettingsError, match=says):
        read_labels(pictures / "labels.csv")


def test_patients_of_dicom_files_are_told_apart_without_their_names(samples: Path, tmp_path: Path) -> None:
    import shutil

    (tmp_path / "good").mkdir()
    for number, name in enumerate(("RG1_UNCR.dcm", "RG3_UNCR.dcm", "RG1_UNCR.dcm")):
        shutil.copy(samples / name, tmp_path / "good" / f"{number}.dcm")
    patients = [label.patient for label in read_labels(tmp_path).labels]
    assert patients[0] == patients[2] != patients[1]
    assert all(len(patient) == 64 for patient in patients)


def test_an_audit_is_read(tmp_path: Path) -> None:
    (tmp_path / "audit.csv").write_text("digest,label,sampled\n" + "a" * 64 + ",good,0.05\n")
    [row] = read_audit(tmp_path / "audit.csv")
    assert (row.digest, row.findings, row.sampled) == ("a" * 64, frozenset(), 0.05)


def test_flagged_images_are_thinned_to_the_rate_of_accepted_ones_and_patients_count_once() -> None:
    flagged = [SiteLabel(Path(f"f{i}"), None, f"F{i}") for i in range(4000)]
    accepted = [SiteLabel(Path(f"a{i}"), frozenset(), f"A{i}", sampled=0.1) for i in range(500)]
    again = [SiteLabel(Path(f"b{i}"), frozenset(), f"A{i}", sampled=0.1) for i in range(500)]
    sample = fair_sample([*flagged, *accepted, *again], seed=1)
    assert sum(label.bad for label in sample) == pytest.approx(400, abs=60)
    assert sum(not label.bad for label in sample) == 500
    assert len({label.patient for label in sample}) == len(sample)
    seconds = sum(label.path.name.startswith("b") for label in sample)
    assert 200 < seconds < 300, "which image of a patient is taken does not depend on its place in the list"
    assert sample == fair_sample([*flagged, *accepted, *again], seed=1)
    assert sample != fair_sample([*flagged, *accepted, *again], seed=2)
    assert fair_sample([], seed=1) == []


def test_what_is_thinned_does_not_depend_on_labels() -> None:
    rng = np.random.default_rng(0)
    labels = [SiteLabel(Path(f"{i}"), frozenset(), f"{i % 300}", float(rng.choice([1.0, 0.5]))) for i in range(600)]
    other = [replace(label, findings=parse_label("bad")) for label in labels]
    paths = [label.path for label in fair_sample(labels, 3)]
    assert paths == [label.path for label in fair_sample(other, 3)]
    assert split_patients(labels, 0.3, 0) == split_patients(other, 0.3, 0)


@pytest.mark.more
def test_a_good_model_with_enough_labels_gets_both_promises(card: Card) -> None:
    made = calibrate(card, judged(card, 600), accepted_bad=0.05, bad_accepted=0.05)
    certificate = made.certificate
    assert [g.promise for g in certificate.guarantees] == [Promise.ACCEPTED_BAD, Promise.BAD_ACCEPTED]
    assert certificate.refused == ()
    assert made.labels.patients == 600
    assert made.labels.fitted + made.labels.tested == 600
    assert 120 < made.labels.fitted < 240
    for guarantee in certificate.guarantees:
        assert guarantee.k <= guarantee.n
        assert guarantee.upper_limit <= guarantee.limit
    blur = made.heads["motion_blur"]
    assert blur.fitted
    assert blur.ece_after is not None
    assert blur.ece_after < 0.05
    assert not made.heads["unsharp"].fitted, "nobody labelled it"
    assert made.heads["unsharp"].temperature == 2.0, "as on the card"


@pytest.mark.more
def test_what_is_promised_is_what_the_node_does(card: Card) -> None:
    images = judged(card, 900, separation=2.5)
    made = calibrate(card, images, accepted_bad=0.05, bad_accepted=None)
    assert made.offset < 0.0, "this model has to be stricter than its card"
    [guarantee] = made.certificate.guarantees
    applied = {row.name: row for row in apply_calibration(card, made).outputs.classes}
    fits = split_patients([one.label for one in images], CalibrationTarget().fit_share, CalibrationTarget().seed)
    n = k = 0
    for one, fit in zip(images, fits, strict=True):
        if fit:
            continue
        findings = tuple(_as_applied(f, card, applied) for f in one.assessment.findings)
        if decide(replace(one.assessment, findings=findings), POLICY).verdict is Verdict.ACCEPT:
            n += 1
            k += one.label.bad
    assert (n, k) == (guarantee.n, guarantee.k)


def _as_applied(finding: Finding, card: Card, applied: dict[str, OutputClass]) -> Finding:
    if finding.name == FindingName.GATE:
        return finding
    before = next(row for row in card.outputs.classes if row.name == finding.name)
    after = applied[finding.name]
    raw = Scaling(before.temperature, before.bias).logit(finding.probability)
    probability = float(Scaling(after.temperature, after.bias).probability(np.array(raw)))
    return replace(finding, probability=probability, threshold=after.threshold)


@pytest.mark.more
def test_decisions_about_flagged_images_alone_certify_nothing(card: Card) -> None:
    made = calibrate(card, judged(card, 600), covers_accepted=False)
    assert made.certificate.guarantees == ()
    assert all("random sample of accepted" in refusal.reason for refusal in made.certificate.refused)
    assert not any(head.fitted for head in made.heads.values()), "flagged images alone would bias a temperature"


@pytest.mark.more
def test_operating_points_stay_on_the_raw_logits_until_a_promise_moves_them(card: Card) -> None:
    made = calibrate(card, judged(card, 600), accepted_bad=None, bad_accepted=None)
    head, row = made.heads["motion_blur"], next(r for r in card.outputs.classes if r.name == "motion_blur")
    assert made.offset == 0.0
    assert Scaling(head.temperature, head.bias).logit(head.threshold) == pytest.approx(
        Scaling(row.temperature, row.bias).logit(row.threshold)
    )


@pytest.mark.more
def test_the_gate_is_never_made_stricter(card: Card) -> None:
    made = calibrate(card, judged(card, 900, separation=2.5), accepted_bad=0.05, bad_accepted=None)
    thresholds = {row.name: row.threshold for row in card.outputs.classes}
    assert made.offset < 0.0
    assert all(made.heads[name].threshold == pytest.approx(thresholds[name]) for name in gate_names())
    assert made.heads["unsharp"].threshold < thresholds["unsharp"]


@pytest.mark.more
def test_simulated_labels_certify_the_simulated_world_only(card: Card) -> None:
    made = calibrate(card, judged(card, 600), simulated=True)
    assert "for simulated defects only" in made.certificate.sentence(POLICY, "General")


@pytest.mark.more
def test_a_file_is_read_as_it_was_written(tmp_path: Path, made: SiteCalibration) -> None:
    path = calibration_path(tmp_path, made.package)
    identity = write_calibration(path, made)
    assert read_calibration(path) == (made, identity)
    assert path.name == "tiny-1.0.0.yaml"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.more
def test_too_few_labels_are_refused_with_how_many_more_it_takes(card: Card) -> None:
    few = calibrate(card, judged(card, 60), accepted_bad=0.05, bad_accepted=0.05)
    assert few.certificate.guarantees == ()
    assert few.offset == 0.0
    refused = {refusal.promise: refusal for refusal in few.certificate.refused}
    for promise, refusal in refused.items():
        assert refusal.labels_needed is not None
        enough = calibrate(card, judged(card, 60 + round(1.5 * refusal.labels_needed)))
        assert promise in {guarantee.promise for guarantee in enough.certificate.guarantees}


@pytest.mark.more
def test_what_does_not_fit_is_shown_as_expired_and_never_used(
    tmp_path: Path, card: Card, made: SiteCalibration
) -> None:
    path = calibration_path(tmp_path, made.package)
    write_calibration(path, made)
    good = in_force(path, card, SHA, "General")
    assert good.calibration == made
    assert certificate_sentence(card, good, POLICY, "General").startswith(
        "certified 2026-11-20 for General: of accepted"
    )

    other_policy = replace(POLICY, version="p2")
    assert (
        certificate_sentence(card, good, other_policy, "General")
        == "no certificate: that of 2026-11-20 expired, the policy changed from p1 to p2"
    )
    elsewhere = replace(POLICY, rules=tuple(replace(rule, line="line 99") for rule in POLICY.rules))
    assert certificate_sentence(card, good, elsewhere, "General").startswith("certified"), "a comment moves rules"
    same_name = replace(POLICY, rules=POLICY.rules[:-1])
    assert certificate_sentence(card, good, same_name, "General").startswith("no certificate"), "rules count, not names"

    for result, says in (
        (in_force(path, card, "d" * 64, "General"), "the model changed"),
        (in_force(path, card, SHA, "Elsewhere"), "another site"),
    ):
        assert result.calibration is None
        assert result.identity == ""
        assert says in certificate_sentence(card, result, POLICY, "General")


@pytest.mark.more
def test_a_model_that_is_not_good_enough_is_told_so(card: Card) -> None:
    made = calibrate(card, judged(card, 600, separation=0.0), accepted_bad=0.05, bad_accepted=None)
    [refusal] = made.certificate.refused
    assert refusal.labels_needed is None
    assert "more labels will not help" in refusal.reason


@pytest.mark.more
@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2] + ": :",
        lambda text: text.replace("offset:", "offzet:"),
        lambda text: text.replace("motion_blur:", "emotion_blur:"),
        lambda text: text.replace("temperature: ", "temperature: -"),
        lambda text: text + "\nalso: 2026-02-30\n",
    ],
)
def test_a_damaged_file_is_never_used(tmp_path: Path, card: Card, made: SiteCalibration, damage: Any) -> None:
    path = calibration_path(tmp_path, made.package)
    write_calibration(path, made)
    path.write_text(damage(path.read_text()))
    result = in_force(path, card, SHA, "General")
    assert result.calibration is None
    assert "cannot be used" in result.refused
    assert certificate_sentence(card, result, POLICY, "General").startswith("no certificate")
