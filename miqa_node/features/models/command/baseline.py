"""``miqa-node models baseline``: which images are ordinary at this site, from its own images."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.core.observe.progress import counted
from miqa_node.errors import NotFoundError, UnreadableError
from miqa_node.features.models.rows.anomalies import newest_scores
from miqa_node.interfaces.cli.files import images
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import print_json, print_line
from miqa_node.interfaces.cli.site_choice import choice_of
from miqa_node.interfaces.cli.store import open_transaction
from miqa_node.interfaces.cli.taken import TakenParts
from miqa_node.local import LocalAssessor
from miqa_node.stages.assess.anomaly.baseline import baseline_path, make_baseline, write_baseline
from miqa_node.stages.assess.packages import Package

MOST = 20_000


def baseline(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", exists=True, help="Images, or folders of them; default: those assessed."),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=MOST, help="The newest N images at most.")] = 5_000,
    modality: Annotated[str, typer.Option(metavar="CS", help="Of PNG and JPEG files.")] = "DX",
    body_part: Annotated[str, typer.Option(metavar="CS", help="Of PNG and JPEG files; default: the pixels say.")] = "",
    view: Annotated[str, typer.Option(metavar="CS", help="Of PNG and JPEG files.")] = "",
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Learn which images are ordinary at this site; anomaly percentiles then refer to its own images.

    Take images as they come, not chosen ones; at least 200 are needed. Running processes use the baseline at once.
    """
    settings = settings_of(config, data_dir)
    quiet_logs(settings)

    with LocalAssessor(settings, choice_of(settings)) as assessor:
        assessor.models.load()
        package = assessor.models.package
        if package is None or package.anomaly is None:
            raise NotFoundError("The active package knows nothing about anomalies (miqa-node train anomaly).")
        if paths:
            pictures = {"modality": modality, "body_part": body_part, "view": view}
            scores = _of_files(assessor, paths, pictures, limit)
        else:
            scores = _assessed(package, config, data_dir, limit)
    made = make_baseline(
        scores,
        package=package.name,
        anomaly_sha256=package.anomaly.sha256,
        site=settings.node.site,
        now=datetime.now(UTC),
    )
    path = baseline_path(settings.node.data_dir, package.name)
    write_baseline(path, made)
    if as_json:
        print_json({"file": str(path), "package": package.name, "images": len(made.scores)})
    else:
        print_line(f"{len(made.scores)} images are the anomaly baseline of {package.name} at this site: {path}")


def _assessed(package: Package, config: Path | None, data_dir: Path | None, limit: int) -> list[float]:
    with open_transaction(config, data_dir) as transaction:
        return newest_scores(transaction, package.identity.sha256, limit=limit)


def _of_files(assessor: LocalAssessor, paths: list[Path], pictures: dict[str, str], limit: int) -> list[float]:
    scores, parts = [], TakenParts()
    for file in counted(images(paths)[0][:limit], "Assessing"):
        try:
            assessment = assessor.assess_file(file, **pictures).assessment
        except UnreadableError:
            typer.echo(f"{file.name} cannot be read and is left out.", err=True)
            continue
        parts.add(assessment)
        if assessment.anomaly is not None:
            scores.append(assessment.anomaly.score)
    parts.say()
    return scores
