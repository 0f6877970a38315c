"""What a site exposes in two months: rooms and scanners, and for each exposure its time, its patient and its fault."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from miqa_node.core.domain.finding import FindingName
from miqa_node.stages.report.uids import derive_uid

DAYS = 60
NEW_SOFTWARE_DAYS = 24
"""So long ago each machine but the first of its kind got a new version."""
TODAY_SHARE = 0.2
OPEN_HOURS = (7.0, 18.5)
CHEST, LEG, CT, MR, PHANTOM = "CHEST", "LEG", "CT", "MR", "PHANTOM"
DEFECTS = (
    FindingName.FOREIGN_OBJECT, FindingName.CLIPPED_ANATOMY, FindingName.MOTION_BLUR, FindingName.NOISE,
    FindingName.DOUBLE_EXPOSURE, FindingName.UNSHARP, FindingName.GRID_ARTIFACT, FindingName.ROTATION_ORIENTATION,
    FindingName.DETECTOR_OVERLAY_ARTIFACT, FindingName.UNDEREXPOSURE, FindingName.DEVICE_IN_VIEW,
    FindingName.OVEREXPOSURE_SATURATION, FindingName.CONTRAST_PROCESSING,
)  # fmt: skip
INVERTED, WRONG_PART, DAMAGED, OTHER_PATIENT = "inverted", "wrong part", "damaged", "other patient"
LEG_DEFECTS = (FindingName.UNSHARP, FindingName.NOISE, FindingName.GRID_ARTIFACT, FindingName.MOTION_BLUR)
ODD = (INVERTED, WRONG_PART, DAMAGED, OTHER_PATIENT)
"""What is wrong with an object beside its quality."""
LATE = "late"
"""The last slices come after the verdict."""
CT_FAULTS = ("cut_gap", "off_centre", "white_noise", "repeated_slice", LATE, "drawn_ring", "offset", "rays")
MR_FAULTS = ("ghost", "noise", LATE, "swapped_neighbours", "cut_gap", "wrap")
NAMES = ("Brandt^Erika", "Okafor^Chidi", "Lindqvist^Annika", "Moreau^Jean-Baptiste", "Şahin^Elif", "Nowak^Zofia",
         "Featherstonehaugh^Bartholomew", "Kim^Min-jun", "Vogt^Karl-Heinz", "Rossi^Giulia", "Haddad^Layla",
         "von der Heydt-Sonnenschein^Maximiliane")  # fmt: skip


@dataclass(frozen=True, slots=True)
class SiteMachine:
    """A room or scanner as its headers name it."""

    station: str
    manufacturer: str
    model: str
    software: tuple[str, str]
    """Before and after the change."""
    shows: tuple[str, ...]


MACHINES = (
    SiteMachine("THORAX1", "Philips Medical Systems", "DigitalDiagnost", ("3.3.1", "3.3.1"), (CHEST,)),
    SiteMachine("THORAX2", "Siemens", "Ysio Max", ("VF10C", "VF11A"), (CHEST,)),
    SiteMachine("CASUALTY", "FUJIFILM Corporation", "FDR Visionary", ("V12.1", "V12.3"), (CHEST, LEG)),
    SiteMachine("BONE1", "AGFA", "DX-D 600", ("8.11", "8.20"), (LEG,)),
    SiteMachine("CT1", "SIEMENS", "SOMATOM go.Top", ("VA30A", "VA30A"), (CT, PHANTOM)),
    SiteMachine("CT2", "GE MEDICAL SYSTEMS", "Revolution EVO", ("les_2.1", "les_3.0"), (CT, PHANTOM)),
    SiteMachine("MR1", "Philips", "Ingenia 1.5T", ("5.7.1", "11.1.0"), (MR, PHANTOM)),
)


@dataclass(frozen=True, slots=True)
class SiteExposure:
    """One radiograph, series or scan of a phantom; ``fault`` is empty, a finding, or a word of this module."""

    number: int
    machine: SiteMachine
    shows: str
    at: datetime
    software: str
    fault: str = ""

    def uid(self, level: str) -> str:
        """Of its study, its series, or one of its images: always the same."""
        return derive_uid("site", str(self.number), level)

    @property
    def study_uid(self) -> str:
        """Its own, or wrongly the one before."""
        return derive_uid("site", str(self.number - (self.fault == OTHER_PATIENT)), "study")

    @property
    def patient(self) -> tuple[str, str]:
        """Patient ID and name."""
        if self.shows == PHANTOM:
            return f"QA-{self.machine.station}", "QA^Phantom"
        return f"P{10_000 + 37 * self.number}", NAMES[self.number % len(NAMES)]

    @property
    def accession_number(self) -> str:
        """Of the request."""
        return f"{self.at:%y%m%d}{self.number:04}"


def plan(images: int, phantom_scans: int, now: datetime, seed: int = 81) -> list[SiteExposure]:
    """So many exposures of patients and scans of phantoms until ``now``, in their order; four of nine have a fault."""
    random = np.random.default_rng(seed)
    today = round(images * TODAY_SHARE)
    times = sorted(
        [*(_earlier(now, random) for _ in range(images - today)), *(_today(now, random) for _ in range(today))]
    )
    machines = [one for one in MACHINES for _ in range(2 if CHEST in one.shows else 1)]
    exposures, faulty = [], 0
    for number, at in enumerate(times):
        machine = machines[number % len(machines)]
        shows = machine.shows[number // len(machines) % len(machine.shows)]
        shows = machine.shows[0] if shows == PHANTOM else shows
        fault = ""
        if number % 9 in (1, 3, 5, 7):
            fault, faulty = _fault(shows, faulty), faulty + 1
        exposures.append(_exposure(number, machine, shows, at, now, fault))
    scanners = [one for one in MACHINES if PHANTOM in one.shows]
    for number in range(phantom_scans):
        days = DAYS * (1.0 - (number + 0.5) / phantom_scans)
        at = (now - timedelta(days=days)).replace(hour=7, minute=10 + number % 20)
        exposures.append(_exposure(images + number, scanners[number % len(scanners)], PHANTOM, at, now))
    return sorted(exposures, key=lambda one: one.at)


def _exposure(
    number: int, machine: SiteMachine, shows: str, at: datetime, now: datetime, fault: str = ""
) -> SiteExposure:
    is_new = at > now - timedelta(days=NEW_SOFTWARE_DAYS)
    return SiteExposure(number, machine, shows, at, machine.software[is_new], fault)


def _fault(shows: str, count: int) -> str:
    if shows in (CT, MR):
        faults = CT_FAULTS if shows == CT else MR_FAULTS
        return faults[count % len(faults)]
    if count % 5 == 4:
        return ODD[count // 5 % len(ODD)]
    defects = DEFECTS if shows == CHEST else LEG_DEFECTS
    return str(defects[count % len(defects)])


def _earlier(now: datetime, random: np.random.Generator) -> datetime:
    day = now - timedelta(days=float(random.integers(1, DAYS)))
    opens, closes = OPEN_HOURS
    return day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(
        hours=float(random.uniform(opens, closes))
    )


def _today(now: datetime, random: np.random.Generator) -> datetime:
    return now - timedelta(minutes=5.0 + float(random.uniform(0.0, 7.0 * 60.0)))
