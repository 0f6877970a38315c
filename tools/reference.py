"""Writes the reference pages that are generated from the program: ``python -m tools.reference cli --out FILE``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command

from miqa_node.core.files.whole_file import write_whole
from miqa_node.core.settings import share_dir
from miqa_node.interfaces.cli.app import app as program
from miqa_node.interfaces.cli.command import commands_of
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


def cli_page(root: Any) -> str:
    """docs/reference/cli.md: every command below ``root`` with its options, and the exit codes."""
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
        "## Exit codes",
        "",
        "| code | name | meaning |",
        "|---|---|---|",
        *(f"| {code.value} | {code.name} | {text} |" for code, text in EXPLANATIONS.items()),
        "",
    ]
    for path, command in commands_of("miqa-node", root):
        lines += _command_section(path, command)
    lines += _ASSESS_JSON.splitlines()
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


_ASSESS_JSON = """
## What `assess --json` prints

One object per line, in the order of the files: one for each image, and one for each series of CT, MR or PET slices,
which are judged together as in a node ([series](../explanation/series.md)):

| key | meaning |
|---|---|
| `file` | The path as it was given, or below the folder that was given. |
| `sop_instance_uid` | Of DICOM files; empty for PNG and JPEG. |
| `series_instance_uid` | Only of a series; of the slice that stands for it if each has a series of its own. |
| `modality` | `CT`, `DX` …; of PNG and JPEG files what `--modality` says. |
| `body_part` | Only of an image: what the `header` names, and what the `pixels` show beyond doubt, or null. |
| `files` | Only of a series: the paths of all its files. A series of one file has `file` and `sop_instance_uid`, too. |
| `verdict` | `ACCEPT`, `REVIEW`, `REJECT` or `NOT_ASSESSED`. |
| `experimental` | Whether it was judged or measured, and [that does not count yet][experimental]: `NOT_ASSESSED`. |
| `certificate` | How far the verdict may be trusted: `certified …` or `no certificate`, with the reason. |
| `score` | 0 to 100: REJECT to 29, REVIEW 30 to 69, ACCEPT from 70 on; null for NOT_ASSESSED and without a model. |
| `reasons` | Sentences: why the verdict is what it is. |
| `reasons_made_by` | Who gives each reason: `<name>-<version>` of packages or the node, `header` or `policy`. |
| `findings` | One object per row of the taxonomy that was judged, also below its threshold. |
| `findings[].name`, `.code` | Name of the finding, and its code value in DICOM CID 7011. |
| `findings[].probability`, `.severity` | Calibrated probability and severity, 0 to 1. |
| `findings[].threshold` | Operating point: at or above it the finding is present. |
| `findings[].flagged` | Whether it is a reason of the verdict, directly or through a measurement that supports it. |
| `findings[].place` | Of what can be taken off, if points were found: `over`, `side`, `apex`, `worn`; else null. |
| `findings[].place.over` | `lung`, `mediastinum`, `outside`: what it lies over, first what matters most. |
| `findings[].place.side`, `.apex` | Of a lung: the PATIENT's `left` or `right`, or empty; whether it is the apex. |
| `findings[].place.regions` | Each region that is drawn: `peak` [x, y] as fractions, `over`, `side`, `apex`, `worn`. |
| `findings[].place.worn` | `neck` or `clothes`, by its place alone; null where the clavicles are hidden. |
| `findings[].made_by` | `name`, `version`, `sha256` of the package that found it; then of others that a rule added. |
| `narrative` | What was found and what to do next, in sentences of the language `node.language`. |
| `contributions` | Only models of measurements: what each did to a present finding's logit (`part`), strongest first. |
| `gate` | Probability of each reason why an image is outside what the model can judge. |
| `anomaly` | `score` of how unusual the image is, and `percentile` of the `baseline`, `training` or `site`; or null. |
| `predictions` | Of other packages: `package`, `label`, `confidence`, `status`, `scores`, `pending`, `automated_by`. |
| `landmarks` | Points of a frontal chest: name → [x, y] as fractions of the stored image; absent where not visible. |
| `landmarks.side` | `image`: `_l` and `_r` in the names are the image's left and right. Without points all is null. |
| `lung_field` | Outline of each visible lung, `left` and `right` → corners [x, y] as fractions of the stored image. |
| `lung_field.side` | `image`: left and right are the image's. Without an outline all is null. |
| `side_markers` | Of a frontal chest, letters that name a `side`: `letter`, `x` and `y` as fractions, `probability`. |
| `text` | [Lines in the pixels](text-in-pixels.md) that may identify: `kind`, `column`, `row`, `width`, `height`. |
| `measurements` | Name → `value`, `unit` (UCUM), `made_by`, `place` if any; `cut_sides` has `sides` and `chances`. |
| `left_out` | Name → why a measurement that covers the image or series has no number, as a sentence. |
| `model` | `name`, `version` and `sha256` of the graph; null when no model judged the image. |
| `timings_ms` | Milliseconds per stage; `total` holds everything, maps and objects included. |
| `looked_for` | Only of a series that is ACCEPT: the [faults that it was searched for][faults], in words; else null. |
| `not_looked_for` | Of the same: the other faults of its modality. |
| `issues` | Only of a series: `name` and `text` of what is wrong with its slices, such as those that were left out. |
| `along` | Only of a series: `slices` in order (`file`, `frame`), `measurements` → `unit`, `values` of each slice. |

[experimental]: ../how-to/tune-the-policy.md#what-may-be-accepted
[faults]: ../explanation/series.md#what-accept-stands-for

With `--per-file`, each slice is an image and has a line of its own.

A file that cannot be read gives `file` and `error`, and exit code 1 at the end; the others are still done. A series
without a slice that can be decoded gives `series_instance_uid`, `modality`, `files` and `error`.
A DICOM object that is not an image, or a ZIP file without images, gives `file` and `skipped`, the reason.
PNG and JPEG files count as display-ready MONOCHROME2 frontal chest radiographs unless `--modality`, `--body-part` or
`--view` or the model's gate say otherwise.

With `--saliency-dir DIR`, each finding that is present gives `<stem>.<finding>.npy` (float32 in [0, 1], shape of the
source image) and `<stem>.<finding>.png` (the same laid over the image). With `--out DIR`, each DICOM file gives
`<stem>.sr.dcm` and, when flagged, `<stem>.seg.dcm` and `<stem>.kos.dcm`. Files of the same stem in different folders
get `<stem>~2`, `<stem>~3` and so on, in the order of the files. A series has one report about all its slices; its stem
is `<modality>-<series_instance_uid>`, and that of the file if it has one. It has no maps.
"""

MAKERS: dict[ReferencePage, Callable[[], str]] = {
    ReferencePage.CLI: lambda: cli_page(get_command(program)),
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
