"""A hospital of eight rooms over 26 weeks, made of numbers: the analysis can be looked at with figures as they come.

Rates, exposures and probabilities are drawn with a fixed seed around what hospitals report (AAPM TG-305: some percent
are rejected). What a physicist should find is put in: a room that became worse eight weeks ago, a detector with a spot
at one place, a device whose exposures drift, a measurement that changed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import SaliencyMap, SaliencyMaps
from miqa_node.core.domain.label import LabelOrigin
from miqa_node.core.taxonomy.lookup import defect_names
from miqa_node.features.analysis.monthly_reports import keep_last_month
from miqa_node.features.analysis.rows import rollup
from miqa_node.features.analysis.rows.measurement_weeks import monday
from miqa_node.features.analysis.tables import measurement_weeks
from miqa_node.libraries.plain_statistics.bins import bin_of
from miqa_node.runtime.site_records import label_requests
from miqa_node.runtime.store import tables
from miqa_node.runtime.store.artifacts import Artifacts
from tests.web.staging import Stage

DAYS = 182
LAST_DAY = date(2026, 11, 20)
WORSE_FROM = LAST_DAY - timedelta(weeks=8)
CHANGED_FROM = LAST_DAY - timedelta(weeks=9)
SPOT = (0.31, 0.62)
ROOMS: dict[str, tuple[int, float, str]] = {
    "Thorax 1": (14, 0.045, "CHEST"), "Thorax 2": (11, 0.05, "CHEST"), "Casualty": (10, 0.06, "HAND"),
    "Bone 1": (8, 0.075, "KNEE"), "Bone 2": (6, 0.07, "SPINE"), "Children": (3, 0.095, "CHEST"),
    "Ward (mobile)": (5, 0.115, "CHEST"), "Outpatients": (1, 0.03, "ANKLE"),
}  # fmt: skip
"""Images a day, the share that is rejected, and what is imaged."""
VIEWS = {"CHEST": ("PA", "LL", "AP"), "HAND": ("PA", "OBL")}
REASONS = {"111209": 0.42, "111210": 0.16, "111211": 0.1, "111212": 0.06, "111215": 0.14, "111208": 0.02, "": 0.1}
MEASUREMENTS = {"laplacian_variance": 82.0, "noise_share": 0.6, "edge_slope_10_90": 0.42, "brightness": 47.0,
                "contrast": 22.0, "exposure_index": 310.0, "grid_peak": 2.1}  # fmt: skip
COMMON = np.array([6, 5, 5, 3, 4, 1, 9, 5, 6, 1, 1], float)
"""How often each of the first defects of the taxonomy is the one that is wrong with an image."""

Row = dict[str, Any]


def fill(stage: Stage) -> None:
    """Put the hospital into a store, count it, and keep the report of October."""
    random = np.random.default_rng(6)
    images = [image for number in range(DAYS) for image in _day(LAST_DAY - timedelta(days=DAYS - 1 - number), random)]
    judgements = [_judgement(number, image, random) for number, image in enumerate(_judged(images), 1)]
    second = [_second_reading(len(judgements) + n, one, random) for n, one in enumerate(judgements[::6], 1)]
    with stage.services.database.begin() as transaction:
        for name, make in MAKERS.items():
            rows = [row for image in images for row in make(image, random)]
            transaction.execute(sa.insert(tables.all_tables().tables[name]), rows)
        transaction.execute(sa.insert(measurement_weeks), _weeks(random))
        opinions = [_told(len(judgements) + len(second) + n, one) for n, one in enumerate(judgements[3::11], 1)]
        transaction.execute(sa.insert(tables.labels), [*judgements, *second, *opinions])
        transaction.execute(sa.insert(tables.label_findings), _said(images, judgements, random))
        transaction.execute(sa.insert(tables.requests), _requests(judgements))
        rollup.refresh(transaction, datetime.now(UTC) + timedelta(minutes=5))
    for one in judgements:
        if one["regions"]:
            maps = SaliencyMaps({FindingName(one["regions"][0]["finding"]): _map(one["regions"][0]["points"], random)})
            Artifacts(stage.services.objects).keep_maps(one["digest"], maps)
    _, waiting = stage.add(1, at=datetime(2026, 11, 20, 15, tzinfo=UTC))
    with stage.services.database.begin() as transaction:
        kind = LabelOrigin.SECOND_READING
        label_requests.ask(transaction, waiting, kind, 0.17, datetime(2026, 11, 20, 16, tzinfo=UTC), "jonas")
    in_november = datetime(2026, 11, 2, tzinfo=UTC)
    keep_last_month(stage.services.database, stage.services.objects, stage.services.settings, in_november)


def _day(day: date, random: np.random.Generator) -> list[Row]:
    busy = random.normal(1.0, 0.1) * (0.4 if day.weekday() >= 5 else 1.0)  # days differ by more than chance
    rows = []
    for room, (images, share, part) in ROOMS.items():
        worse = 2.4 if room == "Casualty" and day >= WORSE_FROM else 1.0
        rows += [
            _image(day, room, part, share * worse, number, random) for number in range(random.poisson(images * busy))
        ]
    return rows


def _image(day: date, room: str, part: str, share: float, number: int, random: np.random.Generator) -> Row:
    """What is known of one image; the tables take from it what is theirs."""
    digest = hashlib.sha256(f"{day} {room} {number}".encode()).hexdigest()
    hour = float(np.clip(random.normal(12, 4.5), 0, 23.9))
    rejected = bool(random.random() < share)
    probability = {one: float(random.beta(0.25, 9.0)) for one in defect_names()}
    if rejected or random.random() < 0.03:
        main = defect_names()[int(random.choice(len(COMMON), p=COMMON / COMMON.sum()))]
        probability[main] = float(random.beta(5, 1.6) if rejected else random.beta(3, 2.5))
    most = max(probability.values())
    verdict = "REJECT" if most > 0.85 else "REVIEW" if most > 0.5 else "ACCEPT"
    verdict = "NOT_ASSESSED" if random.random() < 0.02 else verdict
    flagged = verdict in ("REVIEW", "REJECT")
    judged = bool(random.random() < (0.8 if flagged else 0.02 if verdict == "ACCEPT" else 0))
    drift = 2.2 * (day - LAST_DAY + timedelta(days=DAYS)) / timedelta(days=DAYS) if room == "Bone 2" else 0.0
    usual = {"Ward (mobile)": 1.1, "Children": -0.6}.get(room, 0.1)
    return {
        "digest": digest, "study": f"2.25.{int(digest[:24], 16)}", "sop": f"2.25.{int(digest[24:48], 16)}",
        "day": day, "at": datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour), "hour": hour,
        "room": room, "part": part, "view": str(random.choice(VIEWS.get(part, ("AP", "LL")))),
        "patient": digest[24:40], "probability": probability, "verdict": verdict, "flagged": flagged,
        "judged": judged, "rejected": rejected, "bad": rejected or (judged and flagged and random.random() < 0.12),
        "reason": str(random.choice(list(REASONS), p=list(REASONS.values()))) if rejected else "",
        "deviation": float(random.normal(usual + drift, 1.3)),
    }  # fmt: skip


def _study(image: Row, _random: np.random.Generator) -> list[Row]:
    return [{"study_instance_uid": image["study"], "accession_number": image["digest"][:8], "patient_id": "",
             "patient_name": "", "study_date": f"{image['day']:%Y%m%d}", "study_description": ""}]  # fmt: skip


def _instance(image: Row, _random: np.random.Generator) -> list[Row]:
    return [{"digest": image["digest"], "sop_instance_uid": image["sop"], "series_instance_uid": f"{image['study']}.1",
             "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.1", "study_instance_uid": image["study"], "modality": "DX",
             "body_part": image["part"], "view": image["view"], "station": _station(image), "header": {},
             "object_key": "", "size_bytes": 12_000_000, "calling_ae_title": _station(image), "peer_address": "",
             "received_at": image["at"], "conflicting": False}]  # fmt: skip


def _disposition(image: Row, _random: np.random.Generator) -> list[Row]:
    return [{"digest": image["digest"], "study_instance_uid": image["study"], "verdict": image["verdict"],
             "flagged": image["flagged"], "policy_version": "2026-01", "scope": "", "reasons": [],
             "decided_at": image["at"]}]  # fmt: skip


def _acquisition(image: Row, random: np.random.Generator) -> list[Row]:
    hour = image["hour"]
    shift = "early" if 6 <= hour < 14 else "late" if 14 <= hour < 22 else "night"
    operator = hashlib.sha256(f"{image['room']} {shift} {image['day'].day % 2}".encode()).hexdigest()[:8]
    return [{"digest": image["digest"], "day": image["day"], "acquired_at": image["at"].replace(tzinfo=None),
             "patient_key": image["patient"], "modality": "DX", "room": image["room"], "station": _station(image),
             "detector": _detector(image), "operator": f"op-{operator}", "body_part": image["part"],
             "view": image["view"], "laterality": "", "shift": shift, "deviation_index": image["deviation"],
             "exposure_index": 300.0 * 10 ** (image["deviation"] / 10), "target_exposure_index": 300.0,
             "verdict": image["verdict"], "model": "quality-0.5.0", "archived": True,
             "repeated": bool(random.random() < 0.025), "rejected": image["rejected"],
             "reject_reason": image["reason"], "judged_bad": image["bad"] if image["judged"] else None,
             "binned": True, "changed_at": image["at"]}]  # fmt: skip


def _findings(image: Row, random: np.random.Generator) -> list[Row]:
    places = {name: tuple(random.uniform(0.1, 0.9, 2)) for name, p in image["probability"].items() if p >= 0.5}
    if image["room"] == "Thorax 2" and random.random() < 0.02:
        places["detector_overlay_artifact"] = tuple(random.normal(SPOT, 0.006))
    return [{"digest": image["digest"], "finding": name, "day": image["day"], "detector": _detector(image),
             "patient_key": image["patient"], "x": float(x), "y": float(y)}
            for name, (x, y) in places.items()]  # fmt: skip


def _shadow(image: Row, random: np.random.Generator) -> list[Row]:
    verdict = "REVIEW" if image["flagged"] != bool(random.random() < 0.03) else "ACCEPT"
    return [{"digest": image["digest"], "package": "quality-0.9.3", "model_sha256": "cd" * 32, "document": {},
             "verdict": verdict, "policy_version": "2026-01", "assessed_at": image["at"]}]  # fmt: skip


MAKERS = {"studies": _study, "instances": _instance, "dispositions": _disposition, "acquisitions": _acquisition,
          "acquisition_findings": _findings, "shadow_assessments": _shadow}  # fmt: skip


def _judged(images: list[Row]) -> list[Row]:
    return [image for image in images if image["judged"]]


def _judgement(number: int, image: Row, random: np.random.Generator) -> Row:
    names = [name for name, p in image["probability"].items() if p >= 0.5] if image["bad"] else []
    regions = []
    if names and random.random() < 0.15:
        (x, y), (w, h) = random.uniform(0.1, 0.5, 2), random.uniform(0.15, 0.35, 2)
        regions = [{"finding": names[0], "points": [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]}]
    return {"label_id": number, "digest": image["digest"], "at": image["at"] + timedelta(hours=2),
            "actor": ("mara", "jonas", "amina")[number % 3], "bad": image["bad"], "rejects": image["rejected"],
            "origin": "decision" if image["flagged"] else "audit", "findings": names, "reason": image["reason"],
            "regions": regions, "blind": False, "sampled": 1.0 if image["flagged"] else 0.02, "source_uid": "",
            "verdict": image["verdict"], "model_name": "quality", "model_version": "0.5.0", "model_sha256": "ab" * 32,
            "policy_version": "2026-01"}  # fmt: skip


def _second_reading(number: int, first: Row, random: np.random.Generator) -> Row:
    other = "jonas" if first["actor"] == "mara" else "mara"
    bad = first["bad"] != bool(random.random() < 0.1)
    return {**first, "label_id": number, "at": first["at"] + timedelta(hours=20), "actor": other, "bad": bad,
            "origin": "second_reading", "rejects": False, "regions": [], "blind": True, "sampled": 0.17}  # fmt: skip


def _told(number: int, first: Row) -> Row:
    """What another system's rejection note says of the same image."""
    return {**first, "label_id": number, "at": first["at"] + timedelta(hours=1), "actor": "BONE-STATION", "bad": True,
            "origin": "rejection_note", "rejects": True, "findings": [], "reason": "111209", "regions": [],
            "source_uid": f"2.25.{number}"}  # fmt: skip


def _requests(judgements: list[Row]) -> list[Row]:
    """Each audit was asked for, and each sixth judgement to be read again."""
    audits = [(one, LabelOrigin.SPOT_CHECK, 0.02, "") for one in judgements if one["origin"] == "audit"]
    again = [(one, LabelOrigin.SECOND_READING, 0.17, one["actor"]) for one in judgements[::6]]
    return [{"digest": one["digest"], "kind": kind.value, "share": share, "asked_at": one["at"], "first_reader": first,
             "answered_at": one["at"]} for one, kind, share, first in audits + again]  # fmt: skip


def _said(images: list[Row], judgements: list[Row], random: np.random.Generator) -> list[Row]:
    """Of each finding what the model had said; it is a little too sure."""
    return [
        {"label_id": one["label_id"], "finding": name, "probability": p, "present": p >= 0.5,
         "labelled": bool(random.random() < p * (0.85 if image["flagged"] else 0.3))}
        for image, one in zip(_judged(images), judgements, strict=True)
        for name, p in image["probability"].items()
    ]  # fmt: skip


def _map(points: list[list[float]], random: np.random.Generator) -> SaliencyMap:
    """Where the node looked: near what was drawn."""
    rows, columns = np.mgrid[0:32, 0:32] / 32
    (x, y), spread = np.mean(points, 0) + random.normal(0, 0.03, 2), np.ptp(points, 0) / 2
    values = np.exp(-(((columns - x) / spread[0]) ** 2) - ((rows - y) / spread[1]) ** 2)
    return SaliencyMap(values.astype(np.float32), "drise")


def _weeks(random: np.random.Generator) -> list[Row]:
    counts: Counter[tuple[date, str, int]] = Counter()
    for number in range(0, DAYS, 7):
        day = LAST_DAY - timedelta(days=number)
        for name, middle in MEASUREMENTS.items():
            changed = 1.35 if name == "noise_share" and day > CHANGED_FROM else 1.0
            for value in random.lognormal(np.log(middle * changed), 0.25, 300):
                counts[monday(day), name, bin_of(float(value))] += 1
    return [{"week": week, "station": "", "measurement": name, "bin": number, "count": count}
            for (week, name, number), count in counts.items()]  # fmt: skip


def _station(image: Row) -> str:
    return "DX-" + str(image["room"]).upper().replace(" ", "-")[:12]


def _detector(image: Row) -> str:
    return "FD " + str(image["room"])
