"""Help and errors are in words: they show no types of Python and no sentences of the library that reads values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from typer.main import get_command

from miqa_node.interfaces.cli.app import app
from miqa_node.interfaces.cli.command import commands_of
from miqa_node.interfaces.cli.exits import Exit
from tests.interfaces.cli.conftest import Ran

COMMANDS = dict(commands_of("miqa-node", get_command(app)))
FOR_PROGRAMMERS = re.compile(
    r"Value error|[Ii]nput should|unable to parse|does not match the formats|%Y|Traceback"
    r"|<(str|int|float|bool|path|file|dir|datetime)( range)?>|<list\[|<\w+(\|\w+)+>"
)


@pytest.mark.parametrize("path", ["miqa-node", "miqa-node worklist list", "miqa-node users role"])
def test_help_names_no_types_of_python(cli: Callable[..., Ran], path: str) -> None:
    ran = cli(*path.split()[1:], "--help")

    assert ran.code == Exit.OK
    assert path in ran.out
    assert FOR_PROGRAMMERS.search(ran.out) is None


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("worklist resolve 1.2.3 maybe", "'maybe' is not one of rejected, dismissed, retaken, accepted."),
        ("worklist list --verdict GOOD", "'GOOD' is not one of 'accept', 'review', 'reject', 'not_assessed'."),
        ("worklist list --limit x", "'x' is not a whole number."),
        ("worklist list --limit 0", "'0' is too small; the least is 1."),
        ("worklist list --limit 100001", "'100001' is too large; the most is 100000."),
        ("wroklist", "Did you mean 'worklist'?"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_ones(cli: Callable[..., Ran], words: str, reason: str) -> None:
    ran = cli(*words.split())

    assert ran.code == Exit.USAGE
    assert reason in ran.err


def test_a_group_names_the_commands_that_it_has() -> None:
    groups = {path: command for path, command in COMMANDS.items() if getattr(command, "commands", {})}
    lists = {
        path: re.search(r": ([a-z-]+(?:, [a-z-]+)*)\.", " ".join(group.help.split())) for path, group in groups.items()
    }
    assert {path for path, words in lists.items() if not words} == {"miqa-node train", "miqa-node evaluate"}
    for path, words in lists.items():
        if words:
            visible = sorted(name for name, one in groups[path].commands.items() if not one.hidden)
            assert sorted(words[1].split(", ")) == visible, path


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("wor", "worklist"),
        ("worklist reo", "reopen"),
        ("worklist list --pend", "--pending-review"),
        ("worklist list --verdict RE", "REVIEW\nREJECT"),
        ("worklist resolve 1.2.3 dis", "dismissed"),
    ],
)
def test_a_shell_completes_commands_options_and_values(
    cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, typed: str, completed: str
) -> None:
    monkeypatch.setenv("_MIQA_NODE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"miqa-node {typed}")
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split())))

    assert cli().out.strip() == completed


@pytest.mark.more
def test_the_help_of_every_command_names_none(cli: Callable[..., Ran]) -> None:
    for path in COMMANDS:
        test_help_names_no_types_of_python(cli, path)


FREE = re.compile(r"(list\[)?(<class ')?(str|bool|pathlib(\._local)?\.Path)('>)?\]?")


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


@pytest.mark.more
def test_values_that_an_option_cannot_have_are_refused_in_words(cli: Callable[..., Ran]) -> None:
    cases = list(_wrong())
    assert len(cases) > 150
    for path, option, value in cases:
        ran = cli(*path.split()[1:], *([f"{option}={value}"] if option else ["1.2.3", value]))

        assert ran.code == Exit.USAGE, (path, option, value)
        assert "Invalid value" in ran.err, ran.err
        assert FOR_PROGRAMMERS.search(ran.err) is None, ran.err
