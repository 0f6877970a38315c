"""A folder of images as one room, whatever their headers say: what it learns from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide_quality, why_experimental
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import LEAST_FOUND, Place, RoomLook, RoomState
from miqa_node.core.domain.rule import ANOMALY, Subject
from miqa_node.core.domain.site_limit import RoomLimit, SiteLimits
from miqa_node.core.observe.progress import counted
from miqa_node.core.settings import Settings
from miqa_node.dicom.pixels.picture import is_picture, read_picture
from miqa_node.errors import InputError, MiqaError, ModelPackageError, NotAnImageError, SettingsError
from miqa_node.features.limits.learn import SeenImage, learned_limits, seen_image
from miqa_node.features.limits.learning import flagged, limits_of
from miqa_node.features.limits.simulate import DefectImage, defect_images, kinds_of, originals
from miqa_node.features.limits.whole_room import whole_room
from miqa_node.interfaces.cli.files import images, unpacked
from miqa_node.interfaces.cli.output import Column, print_line, print_table
from miqa_node.interfaces.cli.room_file import FlaggedImages, LearnedLimit, RoomFile, TriedDefect
from miqa_node.interfaces.cli.site_choice import choice_of
from miqa_node.interfaces.cli.taken import TakenParts
from miqa_node.local import LocalAssessor
from miqa_node.local_series import FileGroup, group_files
from miqa_node.stages.units.kinds import image_traits

UNREADABLE, NO_IMAGE, REPEATED, SLICES = "unreadable", "no_image", "repeated", "slices"
TEST_OBJECT, NOT_JUDGED, OTHER_PACKAGE, SEVERE = "test_object", "not_judged", "other_package", "severe"
REASONS = {
    UNREADABLE: "could not be read",
    NO_IMAGE: "no image",
    REPEATED: "the same image again",
    SLICES: "slices of a series",
    TEST_OBJECT: "a phantom or quality control",
    NOT_JUDGED: "not judged, or experimental",
    OTHER_PACKAGE: "judged by another package",
    SEVERE: "so severe that it is flagged in any room",
}
"""Why a file teaches nothing, in words."""

Described = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class FolderImage:
    """A judged image of the folder; it is read again for simulated defects."""

    path: Path
    assessment: Assessment
    model: ModelIdentity
    seen: SeenImage


def learned_folder(settings: Settings, folder: Path, described: Described, budget: float | None = None) -> RoomFile:
    """What a room with these images learns; ``described`` is modality, body part and view of pictures.

    ``budget`` stands in place of the one of the settings.

    Raises
    ------
    InputError
        There are no images, or rooms learn from none.
    """
    least, (files, skipped) = settings.policy.images_to_learn(), images([folder])
    if not files:
        raise InputError("There are no images in {folder}.", folder=folder)
    with TemporaryDirectory() as scratch, LocalAssessor(settings, choice_of(settings)) as assessor:
        names, empty = unpacked(files, Path(scratch), settings.web)
        room = _Folder(assessor, described)
        room.left_out[NO_IMAGE] += skipped + len(empty)
        for unit in counted(group_files(counted(list(names), "Reading headers"), settings), "Judging"):
            room.add(unit)
        return room.learned(least, settings.policy.room_budget if budget is None else budget)


class _Folder:
    """Judges the images of a folder one after the other; ``left_out`` counts the files that teach nothing."""

    def __init__(self, assessor: LocalAssessor, described: Described) -> None:
        self._assessor, self._described = assessor, described
        self._images: dict[InstanceDigest, FolderImage] = {}
        self._parts = TakenParts()
        self.left_out = Counter[str]()

    def add(self, unit: FileGroup) -> None:
        """Judge one image."""
        if unit.slices:
            self.left_out[SLICES] += len(unit.files)
            return
        (modality, body_part, view), file = self._described, unit.files[0]
        try:
            result = self._assessor.assess_file(file, modality=modality, body_part=body_part, view=view)
        except (ModelPackageError, SettingsError):
            raise  # no fault of the file: the next one would meet it too
        except NotAnImageError:
            self.left_out[NO_IMAGE] += 1
        except (MiqaError, OSError):
            self.left_out[UNREADABLE] += 1
        else:
            self._parts.add(result.assessment)
            self._add(file, result.assessment)

    def _add(self, file: Path, assessment: Assessment) -> None:
        policy, model, digest = self._assessor.policy, assessment.model, assessment.digest
        if digest in self._images:
            self.left_out[REPEATED] += 1
        elif assessment.phantom or assessment.header.quality_control:
            self.left_out[TEST_OBJECT] += 1
        elif model is None or _is_unjudged(assessment, policy):
            self.left_out[NOT_JUDGED] += 1
        else:
            self._images[digest] = FolderImage(file, assessment, model, seen_image(assessment, policy))

    def learned(self, least: int, budget: float) -> RoomFile:
        """The file, once all images are judged; at least so many have to teach."""
        self._parts.say()
        packages = Counter((one.model.name, one.model.version) for one in self._images.values())
        (package, version), number = packages.most_common(1)[0] if packages else (("", ""), 0)
        mine = [one for one in self._images.values() if (one.model.name, one.model.version) == (package, version)]
        teaching = sorted((one for one in mine if not one.seen.is_severe), key=lambda one: one.assessment.digest)
        self.left_out[OTHER_PACKAGE] += len(self._images) - number
        self.left_out[SEVERE] += len(mine) - len(teaching)
        policy, looks = self._assessor.policy, [one.seen for one in mine]
        lacking = max(least - len(teaching), 0)
        degrees = {} if lacking else learned_limits([one.seen for one in teaching], budget)
        limits = limits_of(Place(package), degrees, policy)
        look = RoomLook(Place(), RoomState.LEARNED, len(teaching))
        strict = policy.with_limits(SiteLimits(limits=tuple(limits), everywhere=look))
        tried = [] if lacking else self._simulated([one for one in teaching if not one.seen.flags] or teaching)
        return RoomFile(
            policy=policy.version, package=package, version=version, images=len(teaching), lacking=lacking,
            state="learning" if lacking else "learned", budget=budget, found=_share_found(tried, strict),
            told=whole_room(looks),
            flagged=FlaggedImages(
                images=len(mine), always=sum(one.always for one in looks), before=flagged(looks, {}),
                after=None if lacking else flagged(looks, degrees),
            ),
            left_out={name: self.left_out[name] for name in REASONS if self.left_out[name]},
            limit=_limits(limits, policy), defect=_defects(tried, policy, strict),
        )  # fmt: skip

    def _simulated(self, teaching: Sequence[FolderImage]) -> list[DefectImage]:
        """Simulated defects on images of the room, as the packages judge them."""
        paths = {one.assessment.digest: one for one in teaching}
        chosen = originals([one.assessment for one in teaching], lambda digest: self._read(paths[digest]))
        defects = set(kinds_of(self._assessor.policy).values())
        return list(defect_images(counted(list(chosen), "Simulating defects"), self._judge, defects))

    def _read(self, one: FolderImage) -> tuple[Header, Radiograph] | None:
        modality, body_part, view = self._described
        try:
            if is_picture(one.path):
                _, radiograph = read_picture(one.path, modality=modality, body_part=body_part, view=view)
            else:
                radiograph = self._assessor.pool.decode(one.path)
        except MiqaError:  # it was judged, and is gone since
            return None
        return one.assessment.header, radiograph

    def _judge(self, header: Header, radiograph: Radiograph, digest: InstanceDigest) -> Assessment:
        return self._assessor.judge.assess(header, radiograph, digest, image_traits(header)).assessment


def _is_unjudged(assessment: Assessment, policy: Policy) -> bool:
    """Whether no rule that a room learns can flag it, or what it shows says nothing about the room."""
    unjudged = assessment.not_assessed or assessment.derived or assessment.unfit or assessment.experimental
    return bool(unjudged or why_experimental(assessment, policy))


def _limits(limits: Sequence[RoomLimit], policy: Policy) -> tuple[LearnedLimit, ...]:
    findings = {rule.what for rule in policy.of(Subject.FINDING)}
    return tuple(
        LearnedLimit(
            what=one.finding,
            limit=one.least_strength,
            kind="strength" if one.finding in findings else "score" if one.finding == ANOMALY else "measurement",
        )
        for one in limits
    )


def _defects(tried: Sequence[DefectImage], policy: Policy, strict: Policy) -> tuple[TriedDefect, ...]:
    made = Counter(one.defect for one in tried)
    by_policy, with_limits = (Counter(one.defect for one in tried if one.is_found(by)) for by in (policy, strict))
    return tuple(
        TriedDefect(name=name, simulated=made[name], by_policy=by_policy[name], with_limits=with_limits[name])
        for name in sorted(made)
    )


def _share_found(tried: Sequence[DefectImage], strict: Policy) -> float | None:
    """Of images with a simulated defect the share that any rule flags, the mean over the defects; None without any."""
    shares: dict[str, list[bool]] = {}
    for one in tried:
        shares.setdefault(one.defect, []).append(decide_quality(one.assessment, strict).verdict.flagged)
    return round(mean(map(mean, shares.values())), 3) if shares else None


def print_room(room: RoomFile, folder: Path, out: Path) -> None:
    """What the folder teaches, for people."""
    flagged, left_out = room.flagged, room.left_out
    print_line(f"{folder}: {room.images} images teach what is usual there, judged by {room.package or 'no package'}")
    for name, count in left_out.items():
        print_line(f"left out: {count}, {REASONS[name]}")
    after = "" if flagged.after is None else f", {flagged.after} with these limits"
    print_line(f"of {flagged.images} images the policy flags {flagged.before}{after}; {flagged.always} by other rules")
    if room.lacking:
        print_line(f"The room still learns: {room.lacking} more images are needed.")
    else:
        number = Column("Limit", number=True)
        print_table(("What", number, "Kind"), ((one.what, f"{one.limit:.4g}", one.kind) for one in room.limit))
        print_line("Simulated defects on these images (severity .5, .75 and 1):")
        numbers = (Column(text, number=True) for text in ("Simulated", "By the policy", "With these limits"))
        print_table(
            ("Defect", *numbers),
            ((one.name, str(one.simulated), str(one.by_policy), str(one.with_limits)) for one in room.defect),
        )
        if room.found is not None:
            blind = "; below 50% nothing is ACCEPT" if room.found < LEAST_FOUND else ""
            print_line(f"Of all kinds {room.found:.0%} are found on average{blind}.")
    if room.told:
        print_line(f"Most images show it, so look at the room, not at single images: {', '.join(room.told)}")
    print_line(f"Written. Judge by it: miqa-node assess PATH --limits {out}")
