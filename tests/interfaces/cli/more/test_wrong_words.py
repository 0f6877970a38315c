"""Help and errors are in words: they show no types of Python and no sentences of the library that reads values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from miqa_node.interfaces.cli.exits import Exit
from tests.interfaces.cli.conftest import Ran
from tests.interfaces.cli.test_wrong_words import COMMANDS, FOR_PROGRAMMERS
from tests.interfaces.cli.test_wrong_words import test_help_names_no_types_of_python as help_names_no_types


def test_the_help_of_every_command_names_none(cli: Callable[..., Ran]) -> None:
    for path in COMMANDS:
        help_names_no_types(cli, path)


FREE = re.compile(r"(list\[)?(<class ')?(str|bool|pathlib\.Path)('>)?\]?")


def _wrong() -> Iterator[tuple[str, str, str]]:
    """A command, an option or argument of it, and a value that it cannot have."""
    for path, command in COMMANDS.items():
        for one in command.params:
            if not FREE.fullmatch(str(one.type_descriptor.annotation)):
                option = one.opts[0] if one.param_type_name == "option" else ""
                yield path, option, "x y"
                if one.type_descriptor.is_ranged:
                    yield from ((path, option, str(value)) for value in _beyond(one.min, one.max))


def _beyond(least: float | None, most: float | None) -> Iterator[float]:
    if least is not None:
        yield least - 1
    if most is not None:
        yield most + 1


def test_values_that_an_option_cannot_have_are_refused_in_words(cli: Callable[..., Ran]) -> None:
    cases = list(_wrong())
    assert len(cases) > 150
    for path, option, value in cases:
        ran = cli(*path.split()[1:], *([f"{option}={value}"] if option else ["1.2.3", value]))

        assert ran.code == Exit.USAGE, (path, option, value)
        assert "Invalid value" in ran.err, ran.err
        assert FOR_PROGRAMMERS.search(ran.err) is None, ran.err
