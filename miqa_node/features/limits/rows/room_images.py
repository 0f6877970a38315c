"""The images that show how a place looks, and those of them that teach it its limits, the newest first.

Rejected and repeated images, phantoms and test objects do neither, nor does what another package judged than the newest
image, whose strengths are other ones.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import islice, takewhile
from typing import Any

import sqlalchemy as sa

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import JudgedKind, Place, kind_of, shows_room
from miqa_node.core.domain.rule import Bounds
from miqa_node.core.settings.judging import PolicySettings
from miqa_node.features.limits.learn import SeenImage, seen_image
from miqa_node.features.limits.tables import room_images
from miqa_node.runtime.site_records import rooms
from miqa_node.runtime.site_records.rooms import LearnedFrom
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import acquisitions, assessments, instances

MOST_TAUGHT = 200
"""Images from which a place learns; more would be old."""
MOST_KEPT = 2 * MOST_TAUGHT
NEWEST = 5
"""So many images in a row with other software are no chance."""

_of = room_images.c
_was_bad = sa.or_(acquisitions.c.rejected, acquisitions.c.repeated)
_IMAGES = (
    sa.select(room_images, instances.c.sop_instance_uid)
    .join(instances, instances.c.digest == _of.digest)
    .outerjoin(acquisitions, acquisitions.c.digest == _of.digest)
    .where(sa.or_(acquisitions.c.digest.is_(None), sa.not_(_was_bad)))
    .order_by(_of.at.desc(), _of.digest)
)
_PLACES = sa.select(*(_of[name] for name in asdict(Place())), sa.func.count(), sa.func.max(_of.at)).group_by(
    *(_of[name] for name in asdict(Place()))
)


@dataclass(frozen=True, slots=True)
class RoomImage:
    """One image of a place: ``seen`` at this time, by this package and graph, made by this software."""

    digest: InstanceDigest
    kind: JudgedKind
    at: datetime
    exposure: str
    graph: str
    package: str
    software: str
    seen: SeenImage
    sop_instance_uid: str = ""


@dataclass(frozen=True, slots=True)
class ExampleImage:
    """An image that shows what is told of a room."""

    digest: InstanceDigest
    sop_instance_uid: str
    study_instance_uid: str


def image_of(assessment: Assessment, policy: Policy) -> RoomImage | None:
    """What an image shows of its place; None if it is of no patient, or nothing of it is learned."""
    image = replace(assessment, header=assessment.known_header)
    view = seen_image(assessment, policy) if shows_room(image) else None
    if view is None or not view.degrees:
        return None
    header, model, kind = image.header, assessment.model, kind_of(image)
    of = header.study_instance_uid, header.body_part_examined, header.view_position, header.image_laterality
    return RoomImage(
        assessment.digest, replace(kind, place=rooms.of_known_words(kind.place)), assessment.assessed_at,
        hashlib.sha256(" ".join(of).encode()).hexdigest()[:16], model.sha256 if model else "",
        model.label if model else "", header.software_versions, view, header.sop_instance_uid,
    )  # fmt: skip


def note(transaction: Transaction, assessment: Assessment, policy: Policy) -> None:
    """Keep what an image shows; one that was judged again counts as it was judged last."""
    one = image_of(assessment, policy)
    mine = _of.digest == assessment.digest
    if one is None:
        transaction.execute(sa.delete(room_images).where(mine))
        return
    values: dict[str, Any] = {
        **asdict(one.kind.place), "is_left": one.kind.is_left, "at": one.at, "exposure": one.exposure,
        "graph": one.graph, "label": one.package, "software": one.software, "degrees": dict(one.seen.degrees),
        "flags": sorted(one.seen.flags),
        "bounds": {name: [*map(_finite, (of.floor, of.severe)), of.is_soft] for name, of in one.seen.bounds.items()},
        "always": one.seen.always, "is_severe": one.seen.is_severe,
    }  # fmt: skip
    if not insert_or_ignore(transaction, room_images, {"digest": one.digest, **values}):
        transaction.execute(sa.update(room_images).where(mine).values(values))


def places(transaction: Transaction) -> dict[Place, tuple[int, datetime]]:
    """All places with the number of their images, and when the newest was judged."""
    return {Place(*row[:5]): (row[5], row[6]) for row in transaction.execute(_PLACES)}


def newest(transaction: Transaction, place: Place, most: int = MOST_KEPT, *, pools: bool = False) -> list[RoomImage]:
    """The newest images of a place that show how it looks; with ``pools`` of all places that it covers."""
    mine = [_of[name] == value for name, value in asdict(place).items() if value or not pools]
    return list(shown(map(_image, transaction.execute(_IMAGES.where(*mine).limit(most)))))


def shown(images: Iterable[RoomImage]) -> Iterator[RoomImage]:
    """Yield one image of each exposure that the graph of the newest judged."""
    exposures: set[str] = set()
    graph = None
    for one in images:
        graph = one.graph if graph is None else graph
        if one.graph == graph and one.exposure not in exposures:
            exposures.add(one.exposure)
            yield one


def forget_old(transaction: Transaction, place: Place) -> None:
    """Delete what is older than the images of which limits are made."""
    mine = [_of[name] == value for name, value in asdict(place).items()]
    last = sa.select(_of.at).where(*mine).order_by(_of.at.desc()).offset(MOST_KEPT).limit(1).scalar_subquery()
    transaction.execute(sa.delete(room_images).where(*mine, _of.at <= last))


def read_past(transaction: Transaction, place: Place, policy: Policy) -> None:
    """Note the newest images of a place that an earlier version judged."""
    query = (
        sa.select(assessments.c.document)
        .join(instances, instances.c.digest == assessments.c.digest)
        .where(instances.c.station == place.room)
        .order_by(instances.c.received_at.desc())
        .limit(MOST_KEPT)
    )
    for row in transaction.execute(query).all():
        assessment = documents.load_assessment(row.document)
        stated = replace(assessment, header=assessment.known_header)
        if rooms.of_known_words(kind_of(stated).place) == place:
            note(transaction, assessment, policy)


def taught(images: Iterable[RoomImage], since: datetime | None = None) -> list[RoomImage]:
    """Those that teach: whatever flags them, unless it is so severe that it would in any place."""
    recent = (one for one in images if (since is None or one.at >= since) and not one.seen.is_severe)
    return list(islice(recent, MOST_TAUGHT))


def are_enough(images: Sequence[RoomImage], settings: PolicySettings) -> bool:
    """Whether a place can learn from them."""
    return len(images) >= settings.learn_images and len({one.at.date() for one in images}) >= settings.learn_days


def other_since(images: Sequence[RoomImage], before: LearnedFrom) -> datetime | None:
    """Since when all images of a place are of another package or software than these; None if not, or if few are."""
    of_package = before.packages or [one.package for one in images]
    of_software = before.software or [one.software for one in images]
    other = takewhile(lambda one: not (one.package in of_package and one.software in of_software), images)
    since = [one.at for one in other]
    return min(since) if len(since) >= NEWEST else None


def learned_from(images: Sequence[RoomImage], pooled: Place | None = None, *, is_pilot: bool = False) -> LearnedFrom:
    """What made these images; ``pooled`` is the place that they come from if it is not the room itself."""
    packages, software = ({getattr(one, of) for one in images} for of in ("package", "software"))
    return LearnedFrom(tuple(sorted(packages)), tuple(sorted(software)), pooled, is_pilot)


def wider_places(place: Place) -> list[Place]:
    """What a room with too few images is pooled to: its station, the view, the body part, all of the package."""
    package, part = place.package, place.body_part
    wider = [
        *([replace(place, detector="")] if place.room else []),
        *([Place(package, part, view=place.view)] if place.view else []),
        *([Place(package, part)] if part else []),
        Place(package),
    ]
    return [one for one in dict.fromkeys(wider) if one != place]


def examples(transaction: Transaction, digests: Collection[InstanceDigest]) -> dict[InstanceDigest, ExampleImage]:
    """The images of these digests that are still known."""
    of = instances.c
    query = sa.select(of.digest, of.sop_instance_uid, of.study_instance_uid).where(of.digest.in_(digests))
    return {InstanceDigest(row[0]): ExampleImage(*row) for row in transaction.execute(query)}


def _image(row: sa.Row[Any]) -> RoomImage:
    kind = JudgedKind(Place(row.package, row.body_part, row.room, row.view, row.detector), row.is_left)
    bounds = {name: _bounds(*of) for name, of in row.bounds.items()}
    view = SeenImage(row.degrees, frozenset(row.flags), row.always, row.is_severe, bounds)
    return RoomImage(
        InstanceDigest(row.digest), kind, row.at, row.exposure, row.graph, row.label, row.software, view,
        row.sop_instance_uid,
    )  # fmt: skip


def _finite(number: float) -> float | None:
    """JSON has no infinity."""
    return number if math.isfinite(number) else None


def _bounds(floor: float | None, severe: float | None, is_soft: bool) -> Bounds:
    return Bounds(-math.inf if floor is None else floor, math.inf if severe is None else severe, is_soft)
