"""``miqa-node evaluate two-sides``: what a node finds, and what it flags wrongly, at the point that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from miqa_node.errors import MiqaError
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import Column, print_json, print_table
from miqa_training.commands.extras import DataFolder, require

COLUMNS = {
    "Found": "found", "Severity .75": "found_severe", "Flagged wrongly": "clean_flagged",
    "Judged present": "judged_present", "Wrongly": "clean_judged_present",
}  # fmt: skip


def two_sides(
    data: DataFolder,
    most: Annotated[
        int, typer.Option(metavar="N", min=1, help="Usable images of each source that get defects, at most.")
    ] = 1000,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed simulates the same defects.")] = 11,
    card: Annotated[
        Path | None,
        typer.Option(
            metavar="PACKAGE", exists=True, file_okay=False, help="Write the figures into the card of this package."
        ),
    ] = None,
    body_part: Annotated[
        str,
        typer.Option(
            metavar="CS", help="DIR holds ordinary pictures (PNG, JPEG, TIFF) of this body part, without labels."
        ),
    ] = "",
    view: Annotated[str, typer.Option(metavar="CS", help="Their view, such as AP, with --body-part.")] = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Count, per finding and source, marked defects that are found and clean images that are flagged.

    All packages of the settings judge, with the policy and without limits of rooms. The graph of a package stays as it
    is; its card then says more than the card inside the graph. Findings count whatever figures the policy has.
    """
    require(("torch",))
    from miqa_training import two_sides as sides

    settings = settings_of(config)
    quiet_logs(settings)
    families = {sides.USED: sides.by_degrade, sides.SECOND: sides.by_any_part(), sides.THIRD: sides.by_kept}
    judge = sides.NodeJudge(settings, body_part, view)
    usable = sides.ordinary_images(data) if body_part else sides.usable_images(data)
    names = sides.of_any_part() if body_part else ()
    cases = sides.collect(judge, usable, families, names=names, most=most, seed=seed)
    if judge.obstacle:
        raise MiqaError(f"No package judged any of these images, so nothing is found: {judge.obstacle}")
    figures = sides.figures_of(cases, sides.about(cases, judge.policy.version))
    if card is not None:
        sides.write_card(card, figures)
    mean = sides.mean_found(figures)
    if as_json:
        print_json({"mean_found": mean, **figures})
        return
    rows = [(name, *(_share(one[key]) for key in COLUMNS.values())) for name, one in figures["findings"].items()]
    print_table(
        ("Finding", *(Column(text, number=True) for text in COLUMNS)),
        [*rows, ("mean of all", _share(mean), *("" for _ in range(len(COLUMNS) - 1)))],
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
