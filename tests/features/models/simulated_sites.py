"""Sites whose true share of right answers is known, for tests of what their certificates promise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from miqa_node.features.models.certification import CertificationCase, evidence_of
from tests.stages.assess.making import chest_header

LABELS = ("Normal", "Pneumonia")
POPULATIONS = {"adults": 50, "children": 4}
HEADERS = {name: chest_header(station_name="ROOM1", age_years=age) for name, age in POPULATIONS.items()}


def site(right: float, answers: int, rng: np.random.Generator, confidence: float = 0.9) -> list[CertificationCase]:
    """Cases of both labels and two populations: ``answers`` automated ones of each label, half of each population."""
    cases = []
    for label, other in (LABELS, LABELS[::-1]):
        for name, header in HEADERS.items():
            for is_right in rng.random(answers // 2) < right:
                truth = label if is_right else other
                cases.append(CertificationCase(truth, label, confidence, header, name, "Dr. Bell"))
    return cases


def passed(right: float, answers: int, sites: int, seed: int = 0) -> Iterator[int]:
    """How many of the four labels of populations each site may switch on."""
    rng = np.random.default_rng(seed)
    for _ in range(sites):
        evidence = evidence_of(site(right, answers, rng), LABELS, 0.8, 0.95)
        yield sum(len(one.answers) for one in evidence.populations)


def older(case: CertificationCase, age: int | None) -> CertificationCase:
    """The same of another age."""
    return replace(case, header=replace(case.header, age_years=age))
