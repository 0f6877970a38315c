"""``miqa-node calibrate``: temperatures, operating points and a certificate from judged, labelled images.

Labels are split by patient. On the first part, C1, each head gets its temperature and bias (Platt), and the offsets
to test are chosen; on the second part, C2, the promises are tested at these offsets (:mod:`.guarantee`). An image
counts as accepted if the policy's verdict on the recalibrated assessment is ACCEPT, as in the running node.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import GateClass
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.lookup import gate_names
from miqa_node.libraries.plain_statistics.binomial import trials_needed
from miqa_node.libraries.plain_statistics.guarantee import (
    Count,
    OffsetRange,
    Promise,
    count_at,
    first_offset,
    offset_grid,
    walk,
)
from miqa_node.libraries.plain_statistics.platt import Scaling, calibration_error, expit, fit_scaling, logit
from miqa_node.stages.assess.card import Card
from miqa_node.stages.assess.certificate import Certificate, Guarantee, Refusal, policy_sha256
from miqa_node.stages.assess.findings import gate_finding
from miqa_node.stages.assess.labels import LabelSet, SiteLabel, split_patients
from miqa_node.stages.assess.site_calibration import HeadCalibration, Labels, SiteCalibration

STRICTEST_OFFSET = -12.0
"""In logits; at stricter offsets every operating point flags everything."""
BISECTIONS = 14
"""Margins are exact to 12 / 2¹⁴ logits, always rounded to the side where the image is accepted."""


@dataclass(frozen=True, slots=True)
class CalibrationTarget:
    """The promises that the calibration should make: their limits (None: not requested), and the confidence."""

    accepted_bad: float | None = 0.05
    bad_accepted: float | None = 0.05
    delta: float = 0.05
    fit_share: float = 0.3
    seed: int = 0
    simulated: bool = False

    @property
    def promises(self) -> dict[Promise, float]:
        """Limit of each requested promise."""
        limits = {Promise.ACCEPTED_BAD: self.accepted_bad, Promise.BAD_ACCEPTED: self.bad_accepted}
        return {promise: limit for promise, limit in limits.items() if limit is not None}


@dataclass(frozen=True, slots=True)
class CalibrationCase:
    """A labelled image and the package's assessment of it with the card's calibration; it must be a model's."""

    label: SiteLabel
    assessment: Assessment


def make_calibration(
    judged: Sequence[CalibrationCase],
    label_set: LabelSet,
    card: Card,
    model_sha256: str,
    policy: Policy,
    site: str,
    wishes: CalibrationTarget,
    now: datetime,
) -> SiteCalibration:
    """Fit and test; the same arguments give the same calibration. ``judged`` holds one image of each patient."""
    fitting, testing = _split(judged, wishes)
    heads = fit_heads(fitting if label_set.covers_accepted else [], testing, card)
    scalings = {name: Scaling(head.temperature, head.bias) for name, head in heads.items()}
    readers = [_Reader(one.assessment, card, scalings, heads) for one in (*fitting, *testing)]
    margins = np.array([reader.margin(policy) for reader in readers], dtype=np.float64)
    split = len(fitting)
    bad = np.array([one.label.bad for one in testing], dtype=np.bool_)
    offset, guarantees, refused = _certify(margins[:split], margins[split:], bad, label_set.covers_accepted, wishes)
    shifted = {
        name: head.model_copy(update={"threshold": _moved(head.threshold, offset, card, name)})
        for name, head in heads.items()
    }
    return SiteCalibration(
        package=f"{card.name}-{card.version}",
        model_sha256=model_sha256,
        site=site,
        made_at=now,
        labels=Labels(
            origin=label_set.origin,
            simulated=wishes.simulated,
            patients=len(judged),
            patients_known=label_set.patients_known,
            bad=sum(one.label.bad for one in judged),
            fitted=len(fitting),
            tested=len(testing),
            left_out=dict(label_set.left_out),
        ),
        offset=offset,
        heads=shifted,
        certificate=Certificate(
            made_on=now.date(),
            world="simulated" if wishes.simulated else "site",
            site=site,
            policy_version=policy.version,
            policy_sha256=policy_sha256(policy),
            guarantees=guarantees,
            refused=refused,
        ),
    )


def fit_heads(
    fitting: Sequence[CalibrationCase], testing: Sequence[CalibrationCase], card: Card
) -> dict[str, HeadCalibration]:
    """Temperature and bias of each head; operating points stay where they are on the raw logits."""
    heads = {}
    for row in card.outputs.classes:
        before = Scaling(row.temperature, row.bias)
        after = fit_scaling(*_head(fitting, row.name, before)) or before
        logits, present = _head(testing, row.name, before)
        threshold = expit((before.logit(row.threshold) + after.bias) / after.temperature)
        heads[row.name] = HeadCalibration(
            temperature=after.temperature,
            bias=after.bias,
            threshold=threshold,
            fitted=after is not before,
            present=int(present.sum()),
            ece_before=round(calibration_error(before.probability(logits), present), 4) if len(present) else None,
            ece_after=round(calibration_error(after.probability(logits), present), 4) if len(present) else None,
        )
    return heads


def _split(
    judged: Sequence[CalibrationCase], wishes: CalibrationTarget
) -> tuple[list[CalibrationCase], list[CalibrationCase]]:
    fits = split_patients([one.label for one in judged], wishes.fit_share, wishes.seed)
    return (
        [one for one, fit in zip(judged, fits, strict=True) if fit],
        [one for one, fit in zip(judged, fits, strict=True) if not fit],
    )


def _head(
    judged: Sequence[CalibrationCase], name: str, scaling: Scaling
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Raw logits of a head, and whether the label names it; images labelled bad without a kind are left out."""
    rows = [
        (scaling.logit(_probability(one.assessment, name)), name in one.label.findings)
        for one in judged
        if one.label.findings is not None
    ]
    return np.array([row[0] for row in rows], np.float64), np.array([row[1] for row in rows], np.bool_)


def _probability(assessment: Assessment, name: str) -> float:
    if name in gate_names():
        return assessment.gate[GateClass(name)]
    return next(finding.probability for finding in assessment.findings if finding.name == name)


def _moved(threshold: float, offset: float, card: Card, name: str) -> float:
    """An operating point moved by ``offset`` logits; those of the gate stay, as a stricter gate would hide defects."""
    row = next(row for row in card.outputs.classes if row.name == name)
    return threshold if row.gate else expit(logit(threshold) + offset)


class _Reader:
    """One assessment after recalibration, at any offset."""

    def __init__(
        self,
        assessment: Assessment,
        card: Card,
        scalings: Mapping[str, Scaling],
        heads: Mapping[str, HeadCalibration],
    ) -> None:
        before = {row.name: Scaling(row.temperature, row.bias) for row in card.outputs.classes}

        def again(name: str) -> float:
            raw = before[name].logit(_probability(assessment, name))
            return expit((raw + scalings[name].bias) / scalings[name].temperature)

        gate = {name: again(name) for name in assessment.gate}
        thresholds = {name: heads[name].threshold for name in gate}
        self._fixed = [gate_finding(gate, thresholds)] if gate else []
        self._defects = [
            replace(finding, probability=again(finding.name), threshold=heads[finding.name].threshold)
            for finding in assessment.findings
            if finding.name in heads
        ]
        self._points = [logit(finding.threshold) for finding in self._defects]
        self._assessment = replace(assessment, gate=gate)

    def accepted(self, policy: Policy, offset: float) -> bool:
        """Whether the verdict would be ACCEPT with operating points moved by ``offset`` logits."""
        moved = [
            replace(finding, threshold=expit(point + offset))
            for finding, point in zip(self._defects, self._points, strict=True)
        ]
        assessment = replace(self._assessment, findings=(*moved, *self._fixed))
        return decide(assessment, policy).verdict is Verdict.ACCEPT

    def margin(self, policy: Policy) -> float:
        """The smallest offset at which the image is accepted; +inf if it is not accepted at 0."""
        if not self.accepted(policy, 0.0):
            return math.inf
        low, high = STRICTEST_OFFSET, 0.0
        for _ in range(BISECTIONS):
            middle = (low + high) / 2.0
            low, high = (low, middle) if self.accepted(policy, middle) else (middle, high)
        return high


def _certify(
    fitting: NDArray[np.float64],
    testing: NDArray[np.float64],
    bad: NDArray[np.bool_],
    covers_accepted: bool,
    wishes: CalibrationTarget,
) -> tuple[float, tuple[Guarantee, ...], tuple[Refusal, ...]]:
    """The offset to run with, the promises that hold there, and those that do not."""
    grid = offset_grid(fitting)
    walks: dict[Promise, OffsetRange] = {}
    for promise, limit in wishes.promises.items():
        first = first_offset(grid, fitting, len(testing), promise, limit, wishes.delta)
        counts = [count_at(testing, bad, float(offset), promise) for offset in grid]
        walks[promise] = walk(counts, limit, wishes.delta, first) if covers_accepted else OffsetRange(first, first - 1)
    chosen = _loosest([candidate for candidate in walks.values() if candidate.found])
    offset = 0.0 if chosen is None else float(grid[chosen])
    guarantees, refused = [], []
    for promise, limit in wishes.promises.items():
        candidate = walks[promise]
        if chosen is not None and candidate.first <= chosen <= candidate.last:
            count = count_at(testing, bad, offset, promise)
            guarantees.append(
                Guarantee(
                    promise=promise,
                    limit=limit,
                    delta=wishes.delta,
                    n=count.trials,
                    k=count.failures,
                    upper_limit=count.upper_limit(wishes.delta),
                )
            )
        else:
            count = count_at(testing, bad, float(grid[candidate.first]), promise)
            share = count.trials / len(testing) * (1.0 - wishes.fit_share) if len(testing) else 0.0
            reason, needed = (
                ("It holds only at other operating points than the promise before it.", None)
                if candidate.found
                else _why_not(count, share, len(fitting) + len(testing), limit, covers_accepted, wishes.delta)
            )
            refused.append(
                Refusal(
                    promise=promise,
                    limit=limit,
                    delta=wishes.delta,
                    n=count.trials,
                    k=count.failures,
                    reason=reason,
                    labels_needed=needed,
                )
            )
    return offset, tuple(guarantees), tuple(refused)


def _loosest(walks: Sequence[OffsetRange]) -> int | None:
    """The loosest offset at which all promises hold; if there is none, the loosest offset of the first promise.

    Promises without any offset are ignored. All rejections of a walk hold jointly, so the offset may be chosen
    among them afterwards.
    """
    if not walks:
        return None
    common = min(walk.last for walk in walks)
    return common if common >= max(walk.first for walk in walks) else walks[0].last


def _why_not(
    count: Count,
    share: float,
    patients: int,
    limit: float,
    covers_accepted: bool,
    delta: float,
) -> tuple[str, int | None]:
    """A sentence, and how many more labelled patients are needed; ``share`` of all patients are trials of the test."""
    if not covers_accepted:
        return "Only flagged images were reviewed: also label a random sample of accepted ones.", None
    observed = count.failures / count.trials if count.trials else 0.0
    needed = trials_needed(limit, delta, observed)
    if needed is None:
        text = f"{count.failures} of {count.trials} break the promise of {100 * limit:g} %: more labels will not help."
        return text, None
    if not share:
        return f"None of the labelled images counts; {needed} are needed.", needed
    needed = max(needed, count.trials + 1)  # the search is exact without failures, and approximate with some
    total = math.ceil(needed / share)
    text = f"{count.failures} of {count.trials} images are too few: about {needed} are needed."
    return text, max(1, total - patients)
