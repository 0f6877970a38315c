"""``miqa-node models certify``: what a package's answers are worth, and the certificate that automates them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from miqa_node.errors import SettingsError
from miqa_node.features.models import cases
from miqa_node.features.models.certification import (
    CertificateWish,
    LevelRow,
    is_watchable,
    level_rows,
    make_certificate,
    missing,
    obstacles,
    passes,
)
from miqa_node.features.models.rows import known_images
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import Column, print_json, print_line, print_table
from miqa_node.interfaces.cli.room_file import LimitsOption, limits_of
from miqa_node.interfaces.cli.site_choice import choice_of
from miqa_node.interfaces.cli.store import open_transaction
from miqa_node.stages.assess.certified import percent_below
from miqa_node.stages.assess.classify.learned import read_learned
from miqa_node.stages.assess.prediction_certificate import (
    LEAST_LEVEL,
    LEAST_RIGHT,
    PredictionCertificate,
    certificate_path,
    write_certificate,
)

BAR = 50


def certify(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A package, or NAME-VERSION; `models list` shows them.")],
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS", exists=True,
            help="Folder with one folder of images for each label, or a CSV: file, label, patient, reader[, "
            "population][, sampled]; sampled is how many cases a line stands for.",
        ),
    ],
    show: Annotated[bool, typer.Option("--show", help="Only show what would be automated, of any images.")] = False,
    level: Annotated[
        float, typer.Option(metavar="CONFIDENCE", min=LEAST_LEVEL, max=0.999, help="Automate from this confidence on.")
    ] = LEAST_LEVEL,
    least_right: Annotated[
        float, typer.Option(metavar="SHARE", min=LEAST_RIGHT, max=0.999, help="Share that must be right at least.")
    ] = LEAST_RIGHT,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask on a terminal before it is switched on.")] = False,
    modality: Annotated[str, typer.Option(metavar="CS", help="Of PNG and JPEG files.")] = "DX",
    body_part: Annotated[str, typer.Option(metavar="CS", help="Of PNG and JPEG files; default: the pixels say.")] = "",
    view: Annotated[str, typer.Option(metavar="CS", help="Of PNG and JPEG files.")] = "",
    limits: LimitsOption = "",
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show what a package's answers are worth on labelled images, and let the node automate those that are proven.

    The certificate needs 150 cases of patients whom the package did not learn from, images that the node received,
    and a reader. Exit code 1: no label of any population is right often enough. Running processes use it at once.
    """
    if limits and not show:
        raise typer.BadParameter("--limits goes with --show: a certificate is about the limits that the node has")
    settings = settings_of(config, data_dir)
    quiet_logs(settings)
    if not show and not settings.node.site:
        raise SettingsError('A certificate is made for a site: set node.site, for example site = "General Hospital".')
    package = cases.package_to_certify(settings, name)
    lines, described = cases.case_labels(labels, package.card), (modality, body_part, view)
    judged = cases.judge_cases(settings, package, lines, described, choice_of(settings), limits_of(limits, settings))
    rows = level_rows(judged.cases)
    if show:
        if as_json:
            print_json(_document(package, judged, rows))
        else:
            _print(package, judged, rows)
        return
    digests = [cases.digest_of(one.path, described) for one in judged.labels]
    with open_transaction(config, data_dir) as transaction:
        digests_here = known_images.received(transaction, digests)
    unknown = sum(one not in digests_here for one in digests)
    nameless = sum(not case.reader for case in judged.cases)
    if lacking := obstacles(judged.cases, unknown, judged.learned, nameless):
        raise SettingsError(f"There is no certificate from these labels: {'; '.join(lacking)}.")
    wish = CertificateWish(
        package.card.label, package.sha256, settings.node.site, level, least_right,
        learned_known=read_learned(package.folder) is not None,
    )  # fmt: skip
    made = make_certificate(judged.cases, [row.name for row in package.card.labels], wish, datetime.now(UTC))
    if not as_json:
        _print(package, judged, rows)
        _print_certificate(made)
    written = _is_good(made) and (yes or as_json or _agreed())
    if written:
        write_certificate(certificate_path(settings.node.data_dir, package.card.name), made)
    if as_json:
        print_json(
            {**_document(package, judged, rows), "certificate": made.model_dump(mode="json"), "written": written}
        )
    else:
        print_line("written" if written else "not written")
    if not _is_good(made):
        raise typer.Exit(Exit.FAILED)


def _is_good(made: PredictionCertificate) -> bool:
    return bool(passes(made)) and is_watchable(made)


def _agreed() -> bool:
    return not sys.stdin.isatty() or typer.confirm("Switch these on?")


def _document(package: cases.CertifiedPackage, judged: cases.JudgedCases, rows: Sequence[LevelRow]) -> dict[str, Any]:
    return {
        "package": package.card.label,
        "cases": len(judged.cases),
        "image_waits": sum(case.waits for case in judged.cases),
        "left_out": dict(judged.left_out),
        "levels": [
            {
                "level": row.level, "by": row.by, "name": row.name, "cases": row.cases, "automated": row.automated,
                "share": round(row.share, 4), "right": row.right, "wrong": row.wrong, "bound": round(row.bound, 4),
            }
            for row in rows
        ],
    }  # fmt: skip


def _print(package: cases.CertifiedPackage, judged: cases.JudgedCases, rows: Sequence[LevelRow]) -> None:
    print_line(f"{package.card.label}: {len(judged.cases)} cases, one image of each patient")
    if image_waits := sum(case.waits for case in judged.cases):
        print_line(f"{image_waits} wait whatever the answer: their quality comes first, or the image is unusual")
    for reason, count in judged.left_out.items():
        print_line(f"left out: {count}, {reason}")
    numbers = (Column(text, number=True) for text in ("Level", "Cases", "Automated", "Right", "Wrong", "At least"))
    print_table(
        ("By", "", *numbers),
        (
            (row.by, row.name, f"{row.level:.2f}", str(row.cases), f"{row.share:.1%}", str(row.right), str(row.wrong),
             f"{percent_below(row.bound)} %" if row.automated else "–")
            for row in rows
        ),
    )  # fmt: skip
    for row in rows:
        if row.by == "all":
            print_line(plot_line(row))


def plot_line(row: LevelRow) -> str:
    """One line of the plot: of all cases what is automated rightly (#), wrongly (x) and what waits (.).

    >>> plot_line(LevelRow(0.8, "all", "all", 100, 60, 58, 0.9))
    '0.80 |#############################x....................| right 58, wrong 2, waiting 40'
    """
    count = max(row.cases, 1)
    right, automated = round(BAR * row.right / count), round(BAR * row.automated / count)
    bar = "#" * right + "x" * (automated - right) + "." * (BAR - automated)
    return f"{row.level:.2f} |{bar}| right {row.right}, wrong {row.wrong}, waiting {row.cases - row.automated}"


def _print_certificate(made: PredictionCertificate) -> None:
    for population, one in passes(made):
        print_line(
            "certified", f"{one.label} in {population.name} from {made.level:.2f} on: {one.right} of "
            f"{one.answers} right, at least {percent_below(one.bound)} % (95 % confidence)",
        )  # fmt: skip
    for sentence in missing(made):
        print_line("not certified:", sentence)
    if passes(made) and not is_watchable(made):
        print_line("not certified:", "the package's confidence varies too much to see a shift of it; give more cases")
    if not made.learned_known:
        typer.echo(
            "The package does not say which images it learned from: the cases must be of other patients.", err=True
        )
