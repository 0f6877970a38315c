"""Where a number stands before what is counted, the sentence has a form for one and a form for many."""

from __future__ import annotations

import re

import pytest

from tests.core.language import sources

pytestmark = pytest.mark.more

LIMITS = frozenset({
    "days", "most", "min_characters", "max_characters", "max_value_characters", "least_series", "least_days",
    "soon_days", "most_mib", "max_slices", "max_predictions", "least_px", "max_archive_members", "max_file_bytes",
    "max_elements", "max_depth", "most_bytes", "max_uids", "max_own", "most_graphs", "max_graph_bytes",
    "max_card_characters", "max_goldens", "max_pieces", "fewest", "needed", "minutes", "wait_minutes",
})  # fmt: skip
"""Limits of the node: each is more than one, whatever happens."""
NEVER_ONE = {
    "{alike} different images in a row failed alike: {fault}.": "a row has several",
    "The assessment was begun {attempt} times and never finished.": "kept as earlier versions stored it",
    "Only one image can be checked at a time. Tick “Keep” to receive these {count} files.": "one needs no tick",
    "{images} images": "said of several only",
    "Difference, {gain} times as strong: gray means no change.": "it is stronger",
    "{kept} MiB, of these {waiting} for images that wait to be judged": "both are MiB",
    "Experimental: of marked defects on images of {part}, {found} % are found (by {images} images of {source}); "
    "{least} % are asked for. What was found is listed and flags nothing.": "figures stand on many",
    "{what}: {measurement} {value}, usual {low} to {high} in {count} images since {day}": "a range is of 20 at least",
    "The log has more than {max_rows} rows. Export fewer days.": "a limit",
    "The period has {images} judged images, that is {whole} runs of {length}; the protocol asks for {needed} runs. "
    "Plan a new study with a longer period or more rooms.": "a run is of many",
    "The series has {slices} slices, more than work.series_max_slices ({max_slices}).": "more than a limit",
    "Images in Acquisition announces {announced} images, of which {here} are here: the others are missing, or are "
    "in another series.": "some are missing",
    "The ZIP file has {files} files; {max_archive_members} are the limit (web.max_archive_members).": "over a limit",
    "exposure {factor} times the intended one (deviation index {value})": "a factor",
    "About {images} images": "said of several only",
}


def nouns(pairs: list[tuple[str, str]]) -> set[str]:
    """The words that only the form for many has: what is counted somewhere."""
    many = {word for one, more in pairs for word in set(_words(more)) - set(_words(one))}
    return {word for word in many if word.endswith("s") and len(word) > 3}


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text)


def test_what_is_counted_somewhere_has_its_forms_everywhere() -> None:
    messages = sources.messages()
    counted = nouns([one for one in messages if isinstance(one, tuple)])
    assert {"images", "days", "rejects", "files", "studies", "minutes"} <= counted
    number = re.compile(rf"(?<!of )(?<!of the )\{{(\w+)\}} (?:[a-z]+ )?(?:{'|'.join(sorted(counted))})\b")
    wrong = {
        text
        for text in messages
        if isinstance(text, str) and text not in NEVER_ONE
        for name in number.findall(re.sub("<[^>]+>", "", text))
        if name not in LIMITS
    }
    assert wrong == set()
    assert set(NEVER_ONE) <= messages, "what is not said any more goes from the list"
