"""``miqa-node evaluate operating-points``: what a policy flags at each hospital, and limits that hold at all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from miqa_node.core.files.whole_file import write_whole
from miqa_node.interfaces.cli.options import AsJson
from miqa_node.interfaces.cli.output import Column, print_json, print_table


def operating_points(
    scores: Annotated[
        Path, typer.Argument(metavar="SCORES", exists=True, dir_okay=False, help="What `assess --json` printed.")
    ],
    annotations: Annotated[
        Path,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False,
            help="Readers' lines as JSON: file, objects (kind, sure), quality (grades, usable).",
        ),
    ],
    page: Annotated[Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Also write a page of it.")] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Count what the policy flags at each hospital, and choose limits of soft findings without the hospital they meet.

    The hospital of an image is what stands before the first underscore of its file name.
    """
    from miqa_training.operating_points import choose_limits, flag_figures, model_of, read_images
    from miqa_training.operating_points_page import held_out_text, operating_points_page, share_text

    images = read_images(scores, annotations)
    if not images:
        raise typer.BadParameter("no image of SCORES is in the annotations")
    figures, limits = flag_figures(images), choose_limits(images)
    if page is not None:
        write_whole(page, operating_points_page(model_of(scores), len(images), figures, limits))
    if as_json:
        print_json({"images": len(images), "figures": figures, "limits": limits})
        return
    hospitals = sorted({image.hospital for image in images})
    columns = [Column(name, number=True) for name in (*hospitals, "All", "Upper 95 %", "Macro mean")]
    print_table(
        ("What", *columns),
        (
            (one["words"], *(share_text(one["hospitals"][h]) for h in hospitals), share_text(one["all"]),
             f"{one['all']['upper']:.2f}", "–" if one["macro"] is None else f"{one['macro']:.2f}")
            for one in figures.values()
        ),
        title="Flagged",
    )  # fmt: skip
    print_table(
        ("Soft finding", Column("Least severity", number=True), *columns[: len(hospitals)]),
        (
            (name, f"{one['least_severity']:.2f}", *(held_out_text(one["held_out"].get(h)) for h in hospitals))
            for name, one in limits.items()
        ),
        title="Usable images flagged at each hospital by the limit of the others",
    )
