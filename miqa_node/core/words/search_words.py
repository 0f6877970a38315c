"""What a series was searched for, in words: short for headlines, and as lists for reports."""

from __future__ import annotations

from collections.abc import Iterator

from miqa_node.core.domain.moderate_fault import SeriesSearch
from miqa_node.core.domain.verdict import DERIVED, PHANTOM, Disposition, Verdict
from miqa_node.core.language.catalogue import numerals, reworded, say
from miqa_node.core.words.phrases import FOUND, NO_SEARCH, NOT_FOUND, NOT_SEARCHED, SEARCHED


def searched(disposition: Disposition) -> SeriesSearch | None:
    """What a series was searched for that has no verdict, unless it is judged elsewhere; None of all else."""
    elsewhere = any(reason.name in (PHANTOM, DERIVED) for reason in disposition.reasons)
    return disposition.search if disposition.verdict is Verdict.NOT_ASSESSED and not elsewhere else None


def search_words(search: SeriesSearch) -> str:
    """In what no fault was found, and what was not looked for, by groups of faults."""
    clear, unsearched = (", ".join(map(say, groups)) for groups in search.groups)
    if not search.looked_for:
        return say(NO_SEARCH)
    texts = [say(SEARCHED, groups=clear)] if clear else []
    return " ".join([*texts, *([say(NOT_SEARCHED, faults=unsearched)] if unsearched else [])])


def search_headline(search: SeriesSearch) -> str:
    """The same; before it the kind of a series that was not searched at all: the first sentence of why."""
    if search.looked_for or not search.not_looked_for:
        return search_words(search)
    kind = reworded(search.not_looked_for[0].why).partition(". ")[0].rstrip(".")
    return f"{kind}. {search_words(search)}"


def search_lists(search: SeriesSearch) -> Iterator[str]:
    """Yield the three lists, each as a sentence; nothing of a series that was not searched at all."""
    for words, faults in ((FOUND, search.found), (NOT_FOUND, search.not_found)):
        if faults:
            yield say(words, faults=", ".join(map(reworded, faults)))
    reasons = search.open_by_reason.items() if search.looked_for else ()
    if texts := [f"{', '.join(map(reworded, faults))} – {reworded(why).rstrip('.')}" for why, faults in reasons]:
        yield numerals(say(NOT_SEARCHED, faults="; ".join(texts)))
