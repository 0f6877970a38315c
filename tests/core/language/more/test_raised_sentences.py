"""What pages and answers say when something fails is found by a scan of the package, and knows what it was made of."""

from __future__ import annotations

import re

from tests.core.language import sources

VAGUE = frozenset({"get", "in_words", "join", "len", "one", "px", "reason_str", "upper", "value"})


"""Names that come from code and do not say what a placeholder holds."""


BESIDE_ITS_LIMIT = re.compile(
    r"\{(measurement|unit|limit|expected|min_length|max_length|pattern|[gl][te])\}|^\{value\} |index|wide$"
)


"""Sentences whose value is a measured or given one, as they say themselves."""


def test_placeholders_say_what_they_hold() -> None:
    texts = [text for one in sources.messages() for text in ((one,) if isinstance(one, str) else one)]
    vague = {text for text in texts if VAGUE.intersection(re.findall(r"\{(\w+)\}", text))}
    assert {text for text in vague if "{value}" not in text or not BESIDE_ITS_LIMIT.search(text)} == set()
