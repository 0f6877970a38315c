"""What pages and answers say when something fails is found by a scan of the package, and knows what it was made of."""

from __future__ import annotations

import ast
import re

import pytest

from miqa_node.core.language.catalogue import reworded, spoken
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import MiqaError, NotFoundError
from tests.core.language import sources

VAGUE = frozenset({"get", "in_words", "join", "len", "one", "px", "reason_str", "upper", "value"})


"""Names that come from code and do not say what a placeholder holds."""
BESIDE_ITS_LIMIT = re.compile(
    r"\{(measurement|unit|limit|expected|min_length|max_length|pattern|[gl][te])\}|^\{value\} |index|wide$"
)


"""Sentences whose value is a measured or given one, as they say themselves."""


def test_no_raised_sentence_is_put_together_before_it_is_a_phrase() -> None:
    """An f-string cannot be said in another language: values stand in the message's braces."""
    wrong = [
        f"{place}:{part.lineno}: {ast.unparse(part)}"
        for place, tree in sources.modules()
        for sentence in sources.sentences_of(place, tree)
        for part in ast.walk(sentence)
        if isinstance(part, ast.JoinedStr) and _says_words(part)
    ]
    assert wrong == []


def _says_words(text: ast.JoinedStr) -> bool:
    return any(isinstance(part, ast.Constant) and re.search("[a-z]{3}", str(part.value)) for part in text.values)


def test_the_scan_finds_what_is_raised_anywhere_but_in_programs() -> None:
    tree = ast.parse('raise NotFoundError("There is no room {name}.", name=name)\nraise QueryError(f"{x} is no day.")')
    assert list(sources.errors_of("features/new/rows/rooms.py", tree)) == ["There is no room {name}."]
    assert [type(one) for one in sources.sentences_of("runtime/new.py", tree)] == [ast.Constant, ast.JoinedStr]
    for place in ("interfaces/cli/rooms.py", "features/new/command/rooms.py", "features/backup/work/rooms.py"):
        assert list(sources.sentences_of(place, tree)) == []


def test_every_error_of_the_node_is_shown_or_named_as_one_that_is_not() -> None:
    assert {"NotFoundError", "ModelPackageError", "RowError", "DecodeError"} <= sources.shown_errors()
    assert {one.__name__ for one in _kinds(MiqaError)} >= sources.NOT_SHOWN


def _kinds(of: type[MiqaError]) -> list[type[MiqaError]]:
    return [of, *(one for kind in of.__subclasses__() for one in _kinds(kind))]


@pytest.mark.parametrize("count", [1, 2])
def test_a_raised_number_has_its_form(count: int) -> None:
    error = NotFoundError(Phrase.of_number("{count} study", "{count} studies", count))
    with spoken("de"):
        assert reworded(str(error)) == ("1 Untersuchung" if count == 1 else "2 Untersuchungen")


@pytest.mark.more
def test_placeholders_say_what_they_hold() -> None:
    texts = [text for one in sources.messages() for text in ((one,) if isinstance(one, str) else one)]
    vague = {text for text in texts if VAGUE.intersection(re.findall(r"\{(\w+)\}", text))}
    assert {text for text in vague if "{value}" not in text or not BESIDE_ITS_LIMIT.search(text)} == set()
