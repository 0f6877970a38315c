"""Assessments that differ in all that a policy looks at; ``former/verdicts.json`` has verdicts of these, in order."""

from __future__ import annotations

from datetime import UTC, datetime

from miqa_node.core.domain.anomaly import AnomalyScore
from miqa_node.core.domain.assessment import Assessment, Measurement, PlausibilityIssue
from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.finding import Finding, FindingDescription, FindingName, FindingWords
from miqa_node.core.domain.instance import (
    Header,
    InstanceDigest,
    SeriesInstanceUid,
    SopInstanceUid,
    StudyInstanceUid,
)
from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.domain.usual_range import UsualRange
from miqa_node.core.taxonomy.lookup import all_finding_names, reason_code

AT = datetime(2026, 1, 1, tzinfo=UTC)
MODELS = (("quality", "0.9.3"), ("any-radiograph", "0.3.0"), ("any-radiograph", "0.4.0"), ("own", "1.0"))
PARTS = ("CHEST", "HAND", "KNEE", "LSPINE", "CHEST", "SKULL", "", "SHOULDER")
VIEWS = ("PA", "AP", "", "LATERAL", "PA")
AGES = (None, 5, 17, 70, None, 6)
MEASURED = {
    "deviation_index": (0.0, 7.0, -7.0, 9.0),
    "grid_peak": (3.0, 16.0, 8.0),
    "grain_over_structure": (0.2, 0.4),
    "noise_share": (0.2, 0.2, 0.5),
    "slice_gaps": (0.0, 0.0, 1.0, 0.0, 0.0),
    "slice_offset": (10.0, 10.0, 60.0),
}
ISSUES = ("", "blank_image", "", "voi_clips_image", "view_contradicts_body_part", "", "laterality_missing")
OWN = FindingDescription({"en": FindingWords("Own thing")}, flags=True)


def images() -> list[Assessment]:
    """24 radiographs that a model judged, 8 that none judged, and 12 series."""
    return [
        *map(_radiograph, range(24)),
        *(_unjudged("DX", "", number) for number in range(8)),
        *map(_series, range(12)),
    ]


def _radiograph(number: int) -> Assessment:
    name, version = MODELS[number % len(MODELS)]
    names = sorted(all_finding_names())
    findings = [_finding(FindingName(one), number * 7 + place * 5) for place, one in enumerate(names)]
    findings.append(Finding(FindingName("own_thing"), OTHER_FAILURE, 0.6, 0.5, threshold=0.5, description=OWN))
    usual = (UsualRange("noise_share", "%", 0.1, 0.3, 40, AT),) if number % 3 == 0 else ()
    return Assessment(
        InstanceDigest(f"{number}"), _header("DX" if number % 3 else "CR", number), AT,
        findings=tuple(findings), measurements=_measurements(number), plausibility=_issues(number),
        anomaly=AnomalyScore(0.6, 99.9 if number % 5 == 0 else 60.0), usual_ranges=usual,
        model=ModelIdentity(name, version, "a" * 64), decoder="pydicom",
        experimental="Experimental: by the card." if number % 6 == 5 else "",
    )  # fmt: skip


def _unjudged(modality: str, kind: str, number: int) -> Assessment:
    return Assessment(
        InstanceDigest(f"{modality} {number}"), _header(modality, number), AT, measurements=_measurements(number),
        plausibility=_issues(number), kind=kind, decoder="pydicom", not_assessed="No model judges such images.",
    )  # fmt: skip


def _series(number: int) -> Assessment:
    modality = "CT" if number % 2 else "MR"
    kinds = ("body", "head", "bone kernel") if modality == "CT" else ("structural", "diffusion", "structural")
    return _unjudged(modality, kinds[number % 3], number)


def _finding(name: FindingName, number: int) -> Finding:
    probability, severity = (number % 11) / 10, (number % 5) / 4
    return Finding(name, reason_code(name), probability if name != "gate" else 0.0, severity, threshold=0.5)


def _header(modality: str, number: int) -> Header:
    uids = SopInstanceUid("1.2.3"), SeriesInstanceUid("1.2.4"), StudyInstanceUid(f"1.2.5.{number}")
    part, view = PARTS[number % len(PARTS)], VIEWS[number % len(VIEWS)]
    return Header(
        "1.2", *uids, "1.2.1", modality, body_part_examined=part, view_position=view, age_years=AGES[number % len(AGES)]
    )


def _measurements(number: int) -> tuple[Measurement, ...]:
    return tuple(Measurement(name, values[number % len(values)], "%") for name, values in MEASURED.items())


def _issues(number: int) -> tuple[PlausibilityIssue, ...]:
    name = ISSUES[number % len(ISSUES)]
    return (PlausibilityIssue(name, f"It has {name}.", OTHER_FAILURE),) if name else ()
