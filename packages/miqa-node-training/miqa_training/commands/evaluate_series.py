"""``miqa-node evaluate series``: what a policy flags on series of CT and MR as they are, and with moderate faults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from miqa_node.core.domain.acceptance import LEAST_FOUND
from miqa_node.core.domain.moderate_fault import faults_of
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import Column, print_json, print_table

if TYPE_CHECKING:
    from miqa_training.moderate.trial import KindRow, Notebook

HEADINGS = (
    "Kind", "Scanner", Column("Series", number=True), Column("False alarms", number=True),
    Column("Found, mean", number=True), f"Found below {LEAST_FOUND:.2f}",
)  # fmt: skip


def series(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR…", exists=True, file_okay=False, help="Folders with unaltered series of people."),
    ],
    faults: Annotated[
        bool, typer.Option("--faults", help="Put each moderate fault into each series, and count what is found.")
    ] = False,
    flawed: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Folder whose series are flagged rightly as they are; repeatable."),
    ] = None,
    excerpts: Annotated[
        bool, typer.Option("--excerpts", help="Count parts of series, too; ACCEPT needs whole ones.")
    ] = False,
    lines: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Keep each judgement; a run that ended goes on after them."),
    ] = None,
    toml: Annotated[bool, typer.Option("--toml", help="Print records of evidence for the policy.")] = False,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed makes the same faults.")] = 1,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Count false alarms, and moderate faults that are found, on series of CT and MR: by kind and scanner.

    The policy of the settings judges, each limit as if its evidence sufficed. Test objects, and kinds that it has no
    limits for, are left out and named. Of long series faults are put into the 24 slices in the middle. It takes a
    minute or two of one core per series.
    """
    settings = settings_of(config)
    quiet_logs(settings)
    from miqa_node.core.settings.policy import read_policy
    from miqa_training.moderate.trial import Notebook, evidence_toml, rows_of, series_of, try_series

    policy = read_policy(settings.policy_file).trusting()  # what is to be shown by it needs no evidence yet
    notebook = Notebook(lines, policy.version, seed)
    for group in series_of(folders, settings):
        for done in try_series(group, policy, notebook, seed, with_faults=faults):
            typer.echo(done, err=True)
    rows = rows_of(notebook, flawed or (), excerpts=excerpts)
    if as_json:
        print_json(_document(notebook, rows, policy.version))
        return
    if toml:
        typer.echo(evidence_toml(rows), nl=False)
        return
    print_table(HEADINGS, [_line(one) for one in rows])


def _line(row: KindRow) -> tuple[str, ...]:
    mean = f"{sum(row.found.values()) / len(row.found):.2f}" if row.found else "–"
    low = [f"{name} {share:.2f}" for name, share in row.found.items() if share < LEAST_FOUND]
    return f"{row.modality} {row.kind}", row.scanner, str(row.series), str(row.false_alarms), mean, ", ".join(low)


def _document(notebook: Notebook, rows: Sequence[KindRow], version: str) -> dict[str, object]:
    every = notebook.series.values()
    return {
        "policy": version,
        "kinds": [one.document for one in rows],
        "faults": {
            modality: {one.name: one.title for one in faults_of(modality)}
            for modality in sorted({one.modality for one in rows})
        },
        "flagged": [{"folder": one.folder, "reasons": one.flags} for one in every if one.flags and not one.apart],
        "left_out": [{"folder": one.folder, "reason": one.apart} for one in every if one.apart],
    }
