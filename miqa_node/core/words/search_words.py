"""What an image or series was searched for, in words: short for headlines, and as lists for reports."""

from __future__ import annotations

from collections.abc import Iterator

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.moderate_fault import SeriesSearch
from miqa_node.core.domain.verdict import DERIVED, EXPERIMENTAL, LOOKED_FOR, PHANTOM, UNFIT, Disposition, Verdict
from miqa_node.core.language.catalogue import numerals, reworded, say
from miqa_node.core.words.image_title import anatomy_words
from miqa_node.core.words.phrases import FOUND, NO_SEARCH, NOT_FOUND, NOT_SEARCHED, SEARCHED

MAX_WHY = 20
"""Words of a headline that say why."""
OF_LOOK = (UNFIT, "not_assessed", EXPERIMENTAL, LOOKED_FOR)
"""Reasons that say how an image was looked at, and nothing of it."""


def is_unflagged(disposition: Disposition) -> bool:
    """Whether all there is to tell is how it was looked at: it has no verdict, and is not judged elsewhere."""
    is_elsewhere = any(reason.name in (PHANTOM, DERIVED) for reason in disposition.reasons)
    return disposition.verdict is Verdict.NOT_ASSESSED and not is_elsewhere


def searched(disposition: Disposition) -> SeriesSearch | None:
    """What a series was searched for that has no verdict, unless it is judged elsewhere; None of all else."""
    return disposition.search if is_unflagged(disposition) else None


def search_words(search: SeriesSearch) -> str:
    """In what no fault was found, and what was not looked for, by groups of faults."""
    clear, unsearched = (", ".join(map(say, groups)) for groups in search.groups)
    if not search.looked_for:
        return say(NO_SEARCH)
    texts = [say(SEARCHED, groups=clear)] if clear else []
    return " ".join([*texts, *([say(NOT_SEARCHED, faults=unsearched)] if unsearched else [])])


def look_words(assessment: Assessment | None, disposition: Disposition) -> str:
    """Which of three it was: not looked at, in part, or looked at and never accepted; empty of all else."""
    reasons, search = {one.name: one.text for one in disposition.reasons}, searched(disposition)
    name = next((one for one in OF_LOOK if one in reasons), "")
    if not is_unflagged(disposition) or not (name or search):
        return ""
    why = anatomy_words(numerals(reworded(reasons.get(name, "")))).partition(". ")[0].rstrip(".")
    if name == EXPERIMENTAL:
        why = why.partition(": ")[2] or why  # before it stands that this is experimental
    is_read = assessment is not None and bool(assessment.findings or assessment.measurements)
    if name == UNFIT or not is_read or (search is not None and not search.looked_for):
        return say("Not looked at: {why}", why=shortened(why, MAX_WHY))
    if search is not None and search.not_looked_for:
        return say("Looked at in part. {words}", words=search_words(search))
    if LOOKED_FOR in reasons:
        return say("Looked at in part. {words}", words=reworded(reasons[LOOKED_FOR]))
    return say("Looked at, and never accepted by the policy: {why}", why=shortened(why, MAX_WHY))


def shortened(text: str, most: int) -> str:
    """So many words of it."""
    words = text.split()
    return text if len(words) <= most else " ".join(words[:most]).rstrip(".,;:") + " …"


def search_lists(search: SeriesSearch) -> Iterator[str]:
    """Yield the three lists, each as a sentence; nothing of a series that was not searched at all."""
    for words, faults in ((FOUND, search.found), (NOT_FOUND, search.not_found)):
        if faults:
            yield say(words, faults=", ".join(map(reworded, faults)))
    reasons = search.open_by_reason.items() if search.looked_for else ()
    if texts := [f"{', '.join(map(reworded, faults))} – {reworded(why).rstrip('.')}" for why, faults in reasons]:
        yield numerals(say(NOT_SEARCHED, faults="; ".join(texts)))
