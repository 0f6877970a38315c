"""Writes the reference pages that are generated from the program: ``python -m tools.reference cli --out FILE``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command

from miqa_node.core.files.whole_file import write_whole
from miqa_node.core.settings import share_dir
from miqa_node.interfaces.cli.app import app as program
from miqa_node.interfaces.cli.command import COMMANDS, Heading, commands_of
from miqa_node.interfaces.cli.exits import EXPLANATIONS
from tools.conformance import conformance_page
from tools.figures_page import figures_page
from tools.findings_page import findings_page
from tools.integration import integration_page
from tools.measurements_page import measurements_page
from tools.phantoms_page import phantoms_page
from tools.results_page import results_page

_MADE = "<!-- Made by `python -m tools.reference {page}` from {source}; do not edit. -->\n"
_SETTING = re.compile(r"(?P<key>[a-z_]+) = (?P<value>.+?)\s*#\s*(?P<comment>.+)")


class ReferencePage(StrEnum):
    """The pages that can be generated."""

    CLI = "cli"
    CLI_IMAGES = "cli-images"
    CLI_MAINTAIN = "cli-maintain"
    CLI_MODELS = "cli-models"
    CLI_PEOPLE = "cli-people"
    CLI_ROOMS = "cli-rooms"
    CLI_STUDIES = "cli-studies"
    CONFIGURATION = "configuration"
    CONFORMANCE = "conformance"
    FIGURES = "figures"
    FINDINGS = "findings"
    INTEGRATION = "integration"
    MEASUREMENTS = "measurements"
    PHANTOMS = "phantoms"
    RESULTS = "results"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def reference(
    page: Annotated[ReferencePage, typer.Argument(help="Which page.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to this file instead of printing.")] = None,
) -> None:
    """Print a page of the reference as Markdown."""
    text = MAKERS[page]()
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_whole(out, text)


def cli_page() -> str:
    """docs/reference/cli.md: where each command is explained, and the exit codes."""
    lines = [
        "# Command line",
        "",
        _MADE.format(page=ReferencePage.CLI, source="the commands"),
        "Every setting can also be given in a file (`--config FILE`, or the variable `MIQA_CONFIG`) or as environment",
        "variable `MIQA_<TABLE>__<KEY>`; see [Configuration](configuration.md). What wins, from the strongest: flag,",
        "environment, file, default. On a terminal commands print tables, colours and progress bars; elsewhere",
        "tab-separated text; with `--json` the same objects as the [REST interface](api.md).",
        "`miqa-node --install-completion` lets the shell complete commands, options and values.",
        "",
        "## Commands",
        "",
        "| | |",
        "|---|---|",
        *(f"| [{one}](cli-{one.name.lower()}.md) | {_links(one)} |" for one in Heading),
        "",
        "## Exit codes",
        "",
        "| code | name | meaning |",
        "|---|---|---|",
        *(f"| {code.value} | {code.name} | {text} |" for code, text in EXPLANATIONS.items()),
        "",
        *(Path(__file__).with_name("assess_json.md").read_text("utf-8").splitlines()),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _links(heading: Heading) -> str:
    paths = [path for path, _ in _commands(heading) if path.count(" ") == 1]
    return ", ".join(f"[{path.split()[1]}](cli-{heading.name.lower()}.md#{path.replace(' ', '-')})" for path in paths)


def _commands(heading: Heading) -> list[tuple[str, Any]]:
    """The commands under a heading, with the words that call each."""
    group, every = get_command(program), COMMANDS.all()
    return [
        (path, one) for path, one in commands_of("miqa-node", group) if every[path.split()[1]].panel == heading.value
    ]


def commands_page(heading: Heading) -> str:
    """docs/reference/cli-<heading>.md: every command under the heading with its options."""
    page = ReferencePage[f"CLI_{heading.name}"]
    about = "Also [all commands and exit codes](cli.md)."
    lines = [f"# Commands: {heading}", "", _MADE.format(page=page, source="the commands"), about, ""]
    for path, command in _commands(heading):
        lines += _command_section(path, command)
    return "\n".join(lines).rstrip() + "\n"


def configuration_page() -> str:
    """docs/reference/configuration.md: every setting with default, type and meaning."""
    text = (share_dir("config") / "miqa.toml").read_text("utf-8")
    defaults = tomllib.loads(text)
    lines = [
        "# Configuration",
        "",
        _MADE.format(page=ReferencePage.CONFIGURATION, source="config/miqa.toml"),
        "Settings come from four places; the first that names a setting wins:",
        "",
        "1. a flag of the command line, where there is one ([Command line](cli.md));",
        "2. the environment: `MIQA_<TABLE>__<KEY>`, with two underscores between table and key, lists as JSON;",
        "3. a TOML file given with `--config FILE` or named by the variable `MIQA_CONFIG`;",
        "4. the defaults below, which are those of `config/miqa.toml`.",
        "",
        "An unknown table or key is an error, so a spelling mistake cannot pass silently. `miqa-node doctor`",
        "shows the values in force and their faults. The site's rules (`config/policy.toml`) and the destinations",
        "(`config/destinations.example.toml`) have files of their own, which are read again when they change;",
        "settings are read when the node starts.",
        "",
    ]
    table = ""
    for line in text.splitlines():
        if heading := re.fullmatch(r"\[([a-z]+)\]", line):
            table = heading[1]
            head = ["| setting | default | environment | meaning |", "|---|---|---|---|"]
            lines += ["", f"## [{table}]", "", *head]
        elif setting := _SETTING.fullmatch(line):
            lines.append(_setting_row(table, setting, defaults))
    return "\n".join(lines).rstrip() + "\n"


def _setting_row(table: str, setting: re.Match[str], defaults: dict[str, Any]) -> str:
    key, comment = setting["key"], setting["comment"].strip()
    value = defaults[table][key]
    shown = "empty" if value in ("", [], {}) else f"`{str(value).lower() if isinstance(value, bool) else value}`"
    variable = f"`MIQA_{table.upper()}__{key.upper()}`"
    cells = (f"`{table}.{key}`", shown, variable, comment.replace("|", "\\|"))
    return f"| {' | '.join(cells)} |"


def _command_section(path: str, command: Any) -> list[str]:
    level = "##" if path.count(" ") == 1 else "###"
    about = "\n".join(line.strip() for line in (command.help or "").strip().splitlines())
    lines = [f"{level} `{path}`", "", about, ""]
    if getattr(command, "commands", None):
        return lines
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and "--help" not in p.opts]
    usage = " ".join([path, *(_usage(a) for a in arguments), *(_usage(o) for o in options if o.required), "[options]"])
    lines += ["```", usage, "```", "", "| | default | meaning |", "|---|---|---|"]
    lines += [_parameter_row(parameter) for parameter in (*arguments, *options)]
    return [*lines, ""]


def _usage(parameter: Any) -> str:
    if parameter.param_type_name == "option":
        return f"{parameter.opts[0]} {_metavar(parameter)}"
    return _metavar(parameter)


def _parameter_row(parameter: Any) -> str:
    option = parameter.param_type_name == "option"
    name = (
        f"`{', '.join(parameter.opts)}{'' if option and parameter.is_flag else ' ' + _metavar(parameter)}`"
        if option
        else ""
    )
    name = name or f"`{_metavar(parameter)}`"
    default = parameter.default
    shown = "" if default in (None, "", False, []) or callable(default) else f"`{default}`"
    shown = "required" if parameter.required else shown
    cells = (name.replace("|", "\\|"), shown, (parameter.help or "").replace("|", "\\|"))
    return f"| {' | '.join(cells)} |"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


MAKERS: dict[ReferencePage, Callable[[], str]] = {
    ReferencePage.CLI: cli_page,
    **{ReferencePage[f"CLI_{one.name}"]: partial(commands_page, one) for one in Heading},
    ReferencePage.CONFIGURATION: configuration_page,
    ReferencePage.CONFORMANCE: conformance_page,
    ReferencePage.FIGURES: lambda: figures_page(
        _MADE.format(page=ReferencePage.FIGURES, source="the cards of the shipped packages"), share_dir("models")
    ),
    ReferencePage.FINDINGS: lambda: findings_page(_MADE.format(page=ReferencePage.FINDINGS, source="the taxonomy")),
    ReferencePage.INTEGRATION: integration_page,
    ReferencePage.MEASUREMENTS: lambda: measurements_page(
        _MADE.format(page=ReferencePage.MEASUREMENTS, source="the installed measurements")
    ),
    ReferencePage.PHANTOMS: phantoms_page,
    ReferencePage.RESULTS: results_page,
}


if __name__ == "__main__":
    app()
