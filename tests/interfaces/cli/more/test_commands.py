# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Commands are entry points: those of other distributions are listed apart, and what they lack is said."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from miqa_node import plugins
from miqa_node.interfaces.cli.app import app
from miqa_node.interfaces.cli.command import COMMANDS, commands_of
from miqa_node.interfaces.cli.exits import Exit
from tests.interfaces.cli.conftest import Ran
from tests.interfaces.cli.test_commands import dose

PART = """\
import typer
from miqa_node.interfaces.cli.command import Command
miqa_api = 1

def sums() -> None:
    "Sum up the doses of the listed studies."
    typer.echo("12 mGy")

SUMS = Command("Sum up the doses of the listed studies.", sums)
MOON = Command("Fly to the moon.", "no_such_rocket:fly", extra="miqa-dose[moon]")
"""


def test_a_command_of_others_can_stand_in_a_group_of_the_node(cli: Callable[..., Ran], dose: Path) -> None:
    (dose / "dose_command.py").write_text(PART)
    (dose / "miqa_dose-1.2.dist-info" / "entry_points.txt").write_text(
        "[miqa.commands]\nworklist.sums = dose_command:SUMS\nworklist.moon = dose_command:MOON\n"
    )
    assert "Sum up the doses" in cli("worklist", "--help").out
    assert cli("worklist", "sums").out == "12 mGy\n"
    assert "Sum up the doses" in cli("worklist", "sums", "--help").out
    ran = cli("worklist", "moon")
    assert (ran.code, "pip install 'miqa-dose[moon]'" in ran.err) == (Exit.UNAVAILABLE, True)
    assert "worklist.sums" not in cli("--help").out
