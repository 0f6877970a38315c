"""Words for an object that can be taken off, by its place: what a radiographer reads and does at the machine."""

from __future__ import annotations

from miqa_node.core.domain.finding import Finding
from miqa_node.core.domain.object_place import ChestRegion, ObjectPlace, ObjectRegion
from miqa_node.core.language.catalogue import SOURCE, reworded, spoken
from miqa_node.core.language.phrase import Phrase, joined
from miqa_node.core.taxonomy.lookup import finding_words
from miqa_node.core.words.phrases import OVER, TAKE_OFF, WORN
from miqa_node.core.words.voice import voice


def title_of(finding: Finding, language: str = SOURCE) -> str:
    """The title of a finding; of an object with a place how its first region is worn and what it lies over.

    "Something worn at the neck over the left apex".
    """
    place = main_of(finding)
    if place is None:
        return finding_words(finding, language).title
    with spoken(language):
        return reworded(object_title(place))


def main_of(finding: Finding) -> ObjectPlace | ObjectRegion | None:
    """The region that texts are about: the first one; None without a place."""
    place = finding.place
    return place.regions[0] if place is not None and place.regions else place


def object_title(place: ObjectPlace | ObjectRegion) -> str:
    """The same in every language, of one place."""
    return joined(" ", [Phrase(WORN[place.worn]), Phrase(over(place))])


def titles_of(finding: Finding) -> tuple[str, ...]:
    """The titles of its regions, each once; one title if it has none."""
    regions = () if finding.place is None else finding.place.regions
    return tuple(dict.fromkeys(map(object_title, regions))) or (finding_words(finding).title,)


def hint_of(finding: Finding, language: str = SOURCE) -> str:
    """What to do about a finding."""
    place = main_of(finding)
    if place is None:
        return finding_words(finding, language).hint
    return voice(language).say(TAKE_OFF[anatomy_of(place)])


def over(place: ObjectPlace | ObjectRegion) -> str:
    """What the object lies over, with the patient's side if that is known: "over the left apex"."""
    anatomy, is_lung = anatomy_of(place), anatomy_of(place) is ChestRegion.LUNG
    if isinstance(place, ObjectRegion) and place.edge and place.hides:
        return OVER["edge", place.side] if is_lung else OVER["mediastinum edge", ""]
    if isinstance(place, ObjectRegion) and place.both:
        return OVER["both apices" if place.apex else "both lungs", ""]
    if not is_lung:
        return OVER[anatomy.value, ""]
    return OVER["apex" if place.apex else anatomy.value, place.side]


def anatomy_of(place: ObjectPlace | ObjectRegion) -> ChestRegion:
    """The most important anatomy that it covers."""
    return place.over if isinstance(place, ObjectRegion) else place.over[0]
