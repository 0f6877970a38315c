"""Both sides of a node with its packages and the default policy, for a card: what it finds, and flags wrongly.

Marked defects are put on images that readers called usable. A defect counts as found if the verdict flags the image by
the right finding. Three families of simulators share no code: :mod:`miqa_training.degrade`, from which the quality
package learned; that of the network for any radiograph, which needs torch; and one from which nothing learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.files.whole_file import write_whole
from miqa_node.core.settings import Settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.lookup import defect_names
from miqa_node.errors import MiqaError
from miqa_node.stages.assess.active import ActiveModels, no_choice
from miqa_node.stages.assess.card import CARD_NAME, PAGE_NAME, Card, Task, read_sections
from miqa_node.stages.assess.model_card import model_card
from miqa_node.stages.assess.sidecars import CARDS, SidecarModels
from miqa_node.stages.measure.view import PICTURE_HEADER
from miqa_node.stages.units.kinds import image_traits
from miqa_training.any_part.kept import KEPT, Plate
from miqa_training.datasets import DatasetRecord, read_records
from miqa_training.degrade import DonorMaterial, Image, degrade, pitch_of
from miqa_training.samples import OBJECTS
from miqa_training.scores import eight_bits, other_record, read_image

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
USABLE = {"usable": "yes"}
LEVELS = (0.5, 0.75, 1.0)
SEVERE = 0.75
USED, SECOND, THIRD = "miqa_training.degrade", "miqa_training.any_part", "miqa_training.any_part.kept"
DIGEST = InstanceDigest("0" * 64)
HEADER = replace(
    PICTURE_HEADER, has_pixels=True, number_of_frames=1, samples_per_pixel=1, bits_allocated=8, bits_stored=8,
    photometric_interpretation="MONOCHROME2", presentation_intent_type="FOR PRESENTATION",
)  # fmt: skip
"""As :mod:`miqa_node.dicom.pixels.picture` describes a file without a header."""

Simulate = Callable[[Image, Image, FindingName, float, tuple[int, ...]], Image | None]
"""(image, another one, finding, severity, seed) → the image with the defect; None if it cannot be seen there."""


@dataclass(frozen=True, slots=True)
class SidesCase:
    """One judged image: what was made of it ("" nothing), how severe, by which family, and what flags it.

    ``clean``: readers saw nothing at all in it.
    """

    file: str
    source: str
    clean: bool
    made: str
    level: float
    family: str
    flagged: bool
    flags: frozenset[str]
    present: frozenset[str] = frozenset()
    """What the packages judged present, flagged or not: what a rule without limits would flag."""


@dataclass(frozen=True, slots=True)
class PictureVerdict:
    """The verdict on a picture, and the findings that the packages judged present."""

    disposition: Disposition
    present: frozenset[str] = frozenset()


class NodeJudge:
    """Judges pictures as a node with these settings does: all packages, the policy, no limits of rooms.

    Findings count whatever figures the policy has: that of a package is made here. ``body_part``: of all pictures;
    they are frontal chests if it is empty.
    """

    def __init__(self, settings: Settings, body_part: str = "", view: str = "") -> None:
        self._policy = read_policy(settings.policy_file).trusting()
        self._header = replace(HEADER, body_part_examined=body_part, view_position=view) if body_part else HEADER
        self._judges, self._why_not = False, ""
        models = ActiveModels(settings, no_choice, calibrated=False)
        self._assessor = SidecarModels(settings, models.assessor, lambda: self._policy).assessor

    @property
    def policy(self) -> Policy:
        """The policy, by which findings count whatever figures it has."""
        return self._policy

    @property
    def obstacle(self) -> str:
        """Why no picture was judged, so that nothing could be found; empty if one was."""
        return "" if self._judges else self._why_not

    def assess(self, image: Image) -> Assessment:
        """What is found in display values in [0, 1], rounded to 8 bits, without any more of a header."""
        radiograph = radiograph_of(image)
        rows, columns = radiograph.shape
        header = replace(self._header, rows=rows, columns=columns)
        assessment = self._assessor().assess(header, radiograph, DIGEST, image_traits(header)).assessment
        self._judges = self._judges or bool(assessment.findings)
        self._why_not = assessment.not_assessed
        return assessment

    def __call__(self, image: Image) -> PictureVerdict:
        """The verdict on the same."""
        assessment = self.assess(image)
        present = frozenset(str(one.name) for one in assessment.findings if one.present)
        return PictureVerdict(decide(assessment, self._policy), present)


def radiograph_of(image: Image) -> Radiograph:
    """Display values in [0, 1] as a picture file of 8 bits has them."""
    display = eight_bits(image)
    return Radiograph((display >> 8).astype(np.uint8), display, (0, 255), None)


def usable_images(data_dir: Path) -> list[DatasetRecord]:
    """Images of ``cxr_eval`` that readers called usable."""
    records = read_records(data_dir / "cxr_eval", data_dir / "annotations" / "eval.jsonl")
    return [record for record in records if is_usable(record)]


def ordinary_images(folder: Path) -> list[DatasetRecord]:
    """All pictures of a folder, which a site calls usable and free of objects; MiqaError if there is none.

    Those in a folder below are of a source of that name.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    if not paths:
        raise MiqaError(f"{folder} has no image ({', '.join(PICTURES)}); export ordinary ones as they are displayed.")
    return [DatasetRecord(path, path.parent.name, "", path.stem, "", "", objects=(), grades=USABLE) for path in paths]


def collect(
    judge: Callable[[Image], PictureVerdict], usable: Sequence[DatasetRecord], families: Mapping[str, Simulate],
    *, names: Sequence[FindingName] = (), most: int = 1000, seed: int = 11,
    done: Callable[[SidesCase], None] = lambda _: None,
) -> list[SidesCase]:  # fmt: skip
    """Usable images as they are, and with each defect at one of LEVELS in turn, per family.

    Of each source at most ``most`` images get defects, evenly spaced in the manifest; ``names``: all but devices.
    """
    names = names or [name for name in defect_names() if name != FindingName.DEVICE_IN_VIEW]
    cases = [_case(record, "", 0.0, "", judge(read_image(record))) for record in usable]
    for case in cases:
        done(case)
    chosen = _spaced(usable, most)
    for number, record in enumerate(chosen):
        image, other = read_image(record), read_image(other_record(chosen, number))
        made = []
        for place, (family, name) in enumerate((family, name) for family in families for name in names):
            level = LEVELS[(number + place) % len(LEVELS)]
            if name in OBJECTS and record.has(name) is not False:
                continue
            changed = families[family](image, other, name, level, (seed, number, place))
            if changed is not None:
                made.append(_case(record, str(name), level, family, judge(changed)))
        cases += made
        for case in made:
            done(case)
    return cases


def _spaced(records: Sequence[DatasetRecord], most: int) -> list[DatasetRecord]:
    chosen = []
    for source in sorted({record.source for record in records}):
        mine = [record for record in records if record.source == source]
        places = np.unique(np.linspace(0, len(mine) - 1, min(most, len(mine))).round().astype(int))
        chosen += [mine[place] for place in places]
    return chosen


def is_usable(record: DatasetRecord) -> bool:
    """Whether readers called the image usable."""
    return record.grades.get("usable") == "yes"


def is_clean(record: DatasetRecord) -> bool:
    """Usable, without any grade, object or device."""
    grades = (value for name, value in record.grades.items() if name != "usable")
    nothing = record.has_removable is False and record.has_device is False
    return is_usable(record) and not any(grades) and nothing


def _case(record: DatasetRecord, made: str, level: float, family: str, judged: PictureVerdict) -> SidesCase:
    verdict = judged.disposition
    names = {name for reason in verdict.reasons if reason.verdict.flagged for name in (reason.name, reason.finding)}
    return SidesCase(
        record.path.name, record.source, is_clean(record), made, level, family, verdict.verdict.flagged,
        frozenset(names - {""}), judged.present,
    )  # fmt: skip


def by_degrade(image: Image, other: Image, finding: FindingName, level: float, seed: tuple[int, ...]) -> Image | None:
    """The family that the quality package learned from."""
    return degrade(image, finding, level, np.random.default_rng(seed), pitch_of(image), DonorMaterial(other=other))


def by_kept(image: Image, other: Image, finding: FindingName, level: float, seed: tuple[int, ...]) -> Image | None:
    """The family that no network learned from; what cannot be seen in a picture is left out."""
    way = KEPT.get(finding)
    return None if way is None else way(Plate(image, other, level, np.random.default_rng(seed), pitch_of(image)))


def by_any_part() -> Simulate:
    """The other family; what cannot be seen in a picture is left out."""
    import torch  # noqa: PLC0415 - not installed everywhere

    from miqa_training.any_part.masks import MaskBank  # noqa: PLC0415
    from miqa_training.any_part.shot import Shot  # noqa: PLC0415
    from miqa_training.any_part.simulators import WAYS, simulate  # noqa: PLC0415

    bank = MaskBank(torch.device("cpu"))

    def made(image: Image, other: Image, finding: FindingName, level: float, seed: tuple[int, ...]) -> Image | None:
        if finding not in WAYS:
            return None
        torch.manual_seed(hash(seed) & 0xFFFFFFFF)
        shot = Shot(torch.from_numpy(image), np.random.default_rng(seed), bank, torch.from_numpy(other))
        changed, visible = simulate(shot, finding, level)
        return np.asarray(changed.numpy(), np.float32) if visible else None

    return made


def of_any_part() -> list[FindingName]:
    """The defects that every radiograph can have."""
    from miqa_training.any_part.simulators import WAYS  # noqa: PLC0415 - needs torch

    return sorted(WAYS)


def about(cases: Sequence[SidesCase], policy_version: str) -> str:
    """Which images, simulators and rules the figures are about."""
    images = len({case.file for case in cases if case.made})
    unaltered = sum(not case.made for case in cases)
    families = ", ".join(dict.fromkeys(case.family for case in cases if case.made))
    return (
        f"Development set: the whole node with the policy {policy_version}, pictures of 8 bits without headers. "
        f"Marked defects (severity .5, .75 and 1 in turn) by {families} on {images} images that readers called usable; "
        f"flagged wrongly: of the {unaltered} usable images as they are. Found: flagged by the right finding."
    )


def write_card(folder: Path, figures: Mapping[str, Any]) -> None:
    """Write the section into card.yaml, and the page anew; the graph and its checksum stay."""
    sections = {**read_sections(folder), "two_sides": dict(figures)}
    card = CARDS.get(Task(sections.get("task", Task.QUALITY)), Card).model_validate(sections)
    text = yaml.safe_dump(sections, sort_keys=False, allow_unicode=True, width=120)
    write_whole(folder / CARD_NAME, text)
    write_whole(folder / PAGE_NAME, model_card(card))


def figures_of(cases: Sequence[SidesCase], about: str) -> dict[str, Any]:
    """The section of the card."""
    unaltered = [case for case in cases if not case.made]
    names = dict.fromkeys(case.made for case in cases if case.made)
    return {
        "about": about,
        "usable_flagged": _flagged(unaltered),
        "clean_flagged": _flagged([case for case in unaltered if case.clean]),
        "findings": {name: _finding(name, [c for c in cases if c.made == name], unaltered) for name in names},
    }


def _finding(name: str, made: Sequence[SidesCase], unaltered: Sequence[SidesCase]) -> dict[str, Any]:
    sources = {}
    for source in sorted({case.source for case in made}):
        mine, clean = ([case for case in group if case.source == source] for group in (made, unaltered))
        sources[source] = {
            "defects": len(mine),
            "found": _share(name, mine),
            "found_severe": _share(name, [case for case in mine if case.level >= SEVERE]),
            "clean": len(clean),
            "clean_flagged": _share(name, clean),
        }
    mean = {key: _mean(row[key] for row in sources.values()) for key in ("found", "found_severe", "clean_flagged")}
    families = dict.fromkeys(case.family for case in made)
    found_by = {
        family: _mean(
            _share(name, [case for case in made if case.family == family and case.source == source])
            for source in sources
        )
        for family in families
    }
    judged = {
        key: _mean(_present(name, [case for case in group if case.source == source]) for source in sources)
        for key, group in (("judged_present", made), ("clean_judged_present", unaltered))
    }
    return {**mean, **judged, "found_by": found_by, "sources": sources}


def _flagged(cases: Sequence[SidesCase]) -> dict[str, Any]:
    sources = {}
    for source in sorted({case.source for case in cases}):
        mine = [case.flagged for case in cases if case.source == source]
        sources[source] = [sum(mine), len(mine)]
    return {"share": _mean(flagged / images for flagged, images in sources.values()), "sources": sources}


def _share(name: str, cases: Sequence[SidesCase]) -> float | None:
    return round(float(np.mean([name in case.flags for case in cases])), 3) if cases else None


def _present(name: str, cases: Sequence[SidesCase]) -> float | None:
    return round(float(np.mean([name in case.present for case in cases])), 3) if cases else None


def mean_found(figures: Mapping[str, Any]) -> float | None:
    """The mean of *found* over all findings, what is not flagged included: the figure of a policy."""
    return _mean(one["found"] for one in figures["findings"].values())


def _mean(values: Iterable[float | None]) -> float | None:
    numbers: NDArray[np.float64] = np.array([value for value in values if value is not None])
    return round(float(numbers.mean()), 3) if len(numbers) else None
