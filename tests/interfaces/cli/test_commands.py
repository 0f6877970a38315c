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

DOSE = """\
import typer
from miqa_node.interfaces.cli.command import Command
miqa_api = 1

def dose() -> None:
    "Sum up the dose of a day."
    typer.echo("12 mGy")

DOSE = Command("Sum up the dose of a day.", dose, panel="Run and maintain")
MOON = Command("Fly to the moon.", "no_such_rocket:fly", extra="miqa-dose[moon]")
"""
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


@pytest.fixture
def dose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution with a command, one whose library is missing, and one that cannot be loaded."""
    folder = tmp_path / "site"
    info = folder / "miqa_dose-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: miqa-dose\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[miqa.commands]\ndose = dose_command:DOSE\nmoon = dose_command:MOON\nbroken = dose_command:NOTHING\n"
    )
    (folder / "dose_command.py").write_text(DOSE)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("MIQA_PLUGINS__ALLOW", f'["miqa-dose", "{tmp_path.name}"]')
    yield folder
    sys.modules.pop("dose_command", None)
    plugins.allow(plugins.EVERYTHING)


def test_a_command_of_others_runs_and_stands_under_a_heading_of_its_own(cli: Callable[..., Ran], dose: Path) -> None:
    listed = cli("--help").out

    assert "Added by miqa-dose" in listed
    assert "Sum up the dose of a day." in listed.partition("Added by miqa-dose")[2]
    assert cli("dose").out == "12 mGy\n"


def test_a_command_whose_library_is_missing_says_what_to_install(cli: Callable[..., Ran], dose: Path) -> None:
    ran = cli("moon")

    assert ran.code == Exit.UNAVAILABLE
    assert ran.err == (
        "miqa-node: moon needs no_such_rocket, which is not installed. "
        f"Install it: {sys.prefix}/bin/pip install 'miqa-dose[moon]'.\n"
    )


def test_a_command_that_cannot_be_loaded_says_why(cli: Callable[..., Ran], dose: Path) -> None:
    ran = cli("broken")

    assert ran.code == Exit.UNAVAILABLE
    assert "broken of miqa-dose is unavailable: It failed to load: AttributeError" in ran.err


@pytest.mark.parametrize("how", ["environment", "file", "default file"])
def test_plugins_allow_holds_before_any_command_runs(
    cli: Callable[..., Ran], dose: Path, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "site.toml"
    file.write_text(f'[plugins]\nallow = ["miqa-other-{how}"]\n')
    words: list[object] = ["dose"]
    monkeypatch.delenv("MIQA_PLUGINS__ALLOW")
    match how:
        case "environment":
            monkeypatch.setenv("MIQA_PLUGINS__ALLOW", "[]")
        case "default file":
            monkeypatch.setenv("MIQA_CONFIG", str(file))
        case _:
            words += ["--config", file]

    ran = cli(*words)

    assert ran.code == Exit.UNAVAILABLE
    assert "plugins.allow leaves it out." in ran.err


def test_who_calls_a_command_that_has_moved_is_told_where_it_is(cli: Callable[..., Ran]) -> None:
    ran = cli("reference", "cli")

    assert ran.code == Exit.UNAVAILABLE
    assert "python -m tools.reference" in ran.err


LIST_MODULES = """
import sys
from miqa_node.interfaces.cli.app import run
run(["--help"])
print(sorted(name for name in sys.modules if name.startswith("miqa_node.interfaces.cli.")))
"""


def test_help_imports_no_command() -> None:
    ran = subprocess.run([sys.executable, "-c", LIST_MODULES], capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines()[-1] == str(
        [f"miqa_node.interfaces.cli.{m}" for m in ("app", "command", "elsewhere", "exits", "progress_bar")]
    )


def test_each_command_is_listed_with_the_first_sentence_of_its_own_help() -> None:
    full = {path.removeprefix("miqa-node ").replace(" ", "."): command.help
            for path, command in commands_of("miqa-node", get_command(app))}  # fmt: skip

    for name, command in COMMANDS.all().items():
        if not command.hidden:
            assert " ".join(full[name].partition("\n\n")[0].split()) == command.help, name


@pytest.mark.more
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
