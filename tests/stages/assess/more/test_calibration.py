# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
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
from miqa_node.core.domain.policy import FindingRule, Policy, Scope, Verdict
from miqa_node.core.taxonomy.lookup import defect_names, gate_names, reason_code
from miqa_node.errors import ModelPackageError, SettingsError
from miqa_node.features.labels.calibration import CalibrationCase, CalibrationTarget, make_calibration
from miqa_node.stages.assess.card import Card, OutputClass, read_card
from miqa_node.stages.assess.certificate import Certificate, Guarantee
from miqa_node.stages.assess.guarantee import Promise
from miqa_node.stages.assess.labels import (
    LabelSet,
    SiteLabel,
    fair_sample,
    parse_label,
    read_audit,
    read_labels,
    split_patients,
)
from miqa_node.stages.assess.platt import LEAST_LABELS, Scaling, calibration_error, fit_scaling
from miqa_node.stages.assess.site_calibration import (
    SiteCalibration,
    apply_calibration,
    calibration_path,
    certificate_sentence,
    in_force,
    read_calibration,
    write_calibration,
)
from tests.stages.assess.making import chest_header, write_package
from tests.stages.assess.test_calibration import NOW, POLICY, SHA, calibrate, card, judged, made


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


def test_decisions_about_flagged_images_alone_certify_nothing(card: Card) -> None:
    made = calibrate(card, judged(card, 600), covers_accepted=False)
    assert made.certificate.guarantees == ()
    assert all("random sample of accepted" in refusal.reason for refusal in made.certificate.refused)
    assert not any(head.fitted for head in made.heads.values()), "flagged images alone would bias a temperature"


def test_operating_points_stay_on_the_raw_logits_until_a_promise_moves_them(card: Card) -> None:
    made = calibrate(card, judged(card, 600), accepted_bad=None, bad_accepted=None)
    head, row = made.heads["motion_blur"], next(r for r in card.outputs.classes if r.name == "motion_blur")
    assert made.offset == 0.0
    assert Scaling(head.temperature, head.bias).logit(head.threshold) == pytest.approx(
        Scaling(row.temperature, row.bias).logit(row.threshold)
    )


def test_the_gate_is_never_made_stricter(card: Card) -> None:
    made = calibrate(card, judged(card, 900, separation=2.5), accepted_bad=0.05, bad_accepted=None)
    thresholds = {row.name: row.threshold for row in card.outputs.classes}
    assert made.offset < 0.0
    assert all(made.heads[name].threshold == pytest.approx(thresholds[name]) for name in gate_names())
    assert made.heads["unsharp"].threshold < thresholds["unsharp"]


def test_simulated_labels_certify_the_simulated_world_only(card: Card) -> None:
    made = calibrate(card, judged(card, 600), simulated=True)
    assert "for simulated defects only" in made.certificate.sentence(POLICY, "General")


def test_a_file_is_read_as_it_was_written(tmp_path: Path, made: SiteCalibration) -> None:
    path = calibration_path(tmp_path, made.package)
    identity = write_calibration(path, made)
    assert read_calibration(path) == (made, identity)
    assert path.name == "tiny-1.0.0.yaml"
    assert list(path.parent.iterdir()) == [path]


def test_too_few_labels_are_refused_with_how_many_more_it_takes(card: Card) -> None:
    few = calibrate(card, judged(card, 60), accepted_bad=0.05, bad_accepted=0.05)
    assert few.certificate.guarantees == ()
    assert few.offset == 0.0
    refused = {refusal.promise: refusal for refusal in few.certificate.refused}
    for promise, refusal in refused.items():
        assert refusal.labels_needed is not None
        enough = calibrate(card, judged(card, 60 + round(1.5 * refusal.labels_needed)))
        assert promise in {guarantee.promise for guarantee in enough.certificate.guarantees}


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
    same_name = replace(POLICY, scopes=(*POLICY.scopes, Scope("more")))
    assert certificate_sentence(card, good, same_name, "General").startswith("no certificate"), "rules count, not names"

    for result, says in (
        (in_force(path, card, "d" * 64, "General"), "the model changed"),
        (in_force(path, card, SHA, "Elsewhere"), "another site"),
    ):
        assert result.calibration is None
        assert result.identity == ""
        assert says in certificate_sentence(card, result, POLICY, "General")


def test_a_model_that_is_not_good_enough_is_told_so(card: Card) -> None:
    made = calibrate(card, judged(card, 600, separation=0.0), accepted_bad=0.05, bad_accepted=None)
    [refusal] = made.certificate.refused
    assert refusal.labels_needed is None
    assert "more labels will not help" in refusal.reason


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
