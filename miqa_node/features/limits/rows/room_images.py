"""The stored images that show how a room looks, and those of them that teach it its limits, the newest first.

Rejected and repeated images, phantoms and test objects do neither, nor does what another package judged than the newest
image, whose strengths are other ones. Images with a hard flag teach nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import islice

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import JudgedKind, Place, kind_of, shows_room
from miqa_node.core.settings.judging import PolicySettings
from miqa_node.features.limits.learn import SeenImage, seen_image
from miqa_node.runtime.site_records.rooms import LearnedFrom
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction
from miqa_node.runtime.store.tables import acquisitions, assessments, instances

MOST_TAUGHT = 200
"""Images from which a room learns; more would be old."""
MOST_READ = 600
"""Images that are looked through for them."""
MOST_NEWEST = 60
"""Images from which a room is told as a whole: what was long ago is over."""
NEWEST = 5
"""So many images in a row with other software are no chance."""


@dataclass(frozen=True, slots=True)
class TeachingImage:
    """One image, as far as it teaches: ``day`` is when it was judged, ``package`` and ``software`` what made it."""

    digest: InstanceDigest
    sop_instance_uid: str
    seen: SeenImage
    kind: JudgedKind
    day: date
    package: str
    software: str


@dataclass(frozen=True, slots=True)
class ExampleImage:
    """An image that shows what is told of a room."""

    digest: InstanceDigest
    sop_instance_uid: str
    study_instance_uid: str


def teaching_images(
    transaction: Transaction, place: Place, policy: Policy, since: datetime | None = None, *, pools: bool = False
) -> list[TeachingImage]:
    """The newest images of a room; with ``pools`` those of all rooms that the place covers."""
    return taught(shown(_newest(transaction, place, since, pools=pools), policy))


def taught(images: Iterable[TeachingImage]) -> list[TeachingImage]:
    """Those of the newest images that teach."""
    return list(islice((one for one in images if not one.seen.always), MOST_TAUGHT))


def are_enough(images: Sequence[TeachingImage], settings: PolicySettings) -> bool:
    """Whether a room can learn from them."""
    return len(images) >= settings.learn_images and len({one.day for one in images}) >= settings.learn_days


def quiet_first(images: Iterable[TeachingImage]) -> list[TeachingImage]:
    """The images first that nothing flags: a simulated defect on another one would say little."""
    return sorted(images, key=lambda one: (bool(one.seen.flags), one.digest))


def newest_images(transaction: Transaction, place: Place, policy: Policy) -> list[TeachingImage]:
    """The newest images of a room, whatever flags them: a room may be so bad that none of them teaches."""
    return list(islice(shown(_newest(transaction, place, None), policy), MOST_NEWEST))


def examples(transaction: Transaction, digests: Collection[InstanceDigest]) -> dict[InstanceDigest, ExampleImage]:
    """The images of these digests that are still known."""
    of = instances.c
    query = sa.select(of.digest, of.sop_instance_uid, of.study_instance_uid).where(of.digest.in_(digests))
    return {InstanceDigest(row[0]): ExampleImage(*row) for row in transaction.execute(query)}


def shown(newest: Iterable[Assessment], policy: Policy) -> Iterator[TeachingImage]:
    """Yield one image of each exposure that shows how the room looks, of the newest first."""
    exposures: set[tuple[str, ...]] = set()
    graph = None
    for assessment in newest:
        model = assessment.model
        graph = (model.sha256 if model else "") if graph is None else graph
        header = assessment.header
        exposure = (header.study_instance_uid, header.body_part_examined, header.view_position, header.image_laterality)
        if not shows_room(assessment) or (model.sha256 if model else "") != graph or exposure in exposures:
            continue
        exposures.add(exposure)
        yield _image(assessment, seen_image(assessment, policy))


def other_since(transaction: Transaction, place: Place, before: LearnedFrom) -> datetime | None:
    """Since when all images of a room are of another package or software than these; None if they are not, or few."""
    since: list[datetime] = []
    for assessment in _newest(transaction, place, None):
        image = _image(assessment, SeenImage({}, frozenset(), always=False))
        of_package, of_software = before.packages or [image.package], before.software or [image.software]
        if image.package in of_package and image.software in of_software:
            break
        since.append(assessment.assessed_at)
    return min(since) if len(since) >= NEWEST else None


def learned_from(images: list[TeachingImage], pooled: Place | None = None, *, is_pilot: bool = False) -> LearnedFrom:
    """What made these images; ``pooled`` is the place that they come from if it is not the room itself."""
    packages, software = ({getattr(one, of) for one in images} for of in ("package", "software"))
    return LearnedFrom(tuple(sorted(packages)), tuple(sorted(software)), pooled, is_pilot)


def wider_places(place: Place) -> list[Place]:
    """What a room with too few images is pooled to: its room, the view, the body part, all of the package."""
    package, part = place.package, place.body_part
    wider = [
        *([replace(place, detector="")] if place.room else []),
        *([Place(package, part, view=place.view)] if place.view else []),
        *([Place(package, part)] if part else []),
        Place(package),
    ]
    return [one for one in dict.fromkeys(wider) if one != place]


def _image(assessment: Assessment, degrees: SeenImage) -> TeachingImage:
    header, package = assessment.header, assessment.model.label if assessment.model is not None else ""
    day, software = assessment.assessed_at.date(), header.software_versions
    return TeachingImage(
        assessment.digest, header.sop_instance_uid, degrees, kind_of(assessment), day, package, software
    )


def _newest(
    transaction: Transaction, place: Place, since: datetime | None, *, pools: bool = False
) -> Iterator[Assessment]:
    """Yield the newest assessments of a place, without those of exposures that were rejected or repeated."""
    exposure = assessments.outerjoin(acquisitions, acquisitions.c.digest == assessments.c.digest)
    was_bad = sa.or_(acquisitions.c.rejected, acquisitions.c.repeated)
    query = (
        sa.select(assessments.c.document)
        .select_from(exposure.join(instances, instances.c.digest == assessments.c.digest))
        .where(sa.or_(acquisitions.c.digest.is_(None), sa.not_(was_bad)))
        .order_by(instances.c.received_at.desc())
        .limit(MOST_READ)
    )
    if place.room or not pools:
        query = query.where(instances.c.station == place.room)
    if since is not None:
        query = query.where(assessments.c.assessed_at >= since)
    for row in transaction.execute(query):
        assessment = documents.load_assessment(row.document)
        assessment = replace(assessment, header=assessment.known_header)
        kind = kind_of(assessment)
        if place in kind.places() if pools else kind.place == place:
            yield assessment
