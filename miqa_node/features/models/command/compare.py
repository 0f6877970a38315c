"""``miqa-node models compare``: compares the verdicts of two packages on the same images."""

from __future__ import annotations

from typing import Annotated

import typer

from miqa_node.errors import NotFoundError
from miqa_node.features.models.comparison import AssessmentPair, PackageComparison
from miqa_node.features.models.comparison import compare as compare_pairs
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir
from miqa_node.interfaces.cli.output import Column, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction
from miqa_node.stages.conclusion.rows import shadows

MOST_SHOWN = 20


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="NAME-VERSION, usually the active package.")],
    second: Annotated[str, typer.Argument(metavar="B", help="NAME-VERSION, usually the shadow package.")],
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=1_000_000, help="The newest N images of each.")
    ] = 10_000,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Compare two packages on the images that both judged, as active package or silently as shadow."""
    with open_transaction(config, data_dir) as transaction:
        of_first = shadows.opinions(transaction, first, limit=limit)
        of_second = shadows.opinions(transaction, second, limit=limit)
    common = [digest for digest in of_first if digest in of_second]
    if not common:
        raise NotFoundError(
            f"No image was judged by both: {len(of_first)} by {first}, {len(of_second)} by {second}. "
            "miqa-node models shadow has a package judge beside the active one."
        )
    pairs = [
        AssessmentPair(a.sop_instance_uid, a.assessment, b.assessment, a.verdict, b.verdict)
        for a, b in ((of_first[digest], of_second[digest]) for digest in common)
    ]
    outcome = compare_pairs(pairs)
    policies = sorted({o.policy_version for d in common for o in (of_first[d], of_second[d])})
    if as_json:
        counts = {"only_first": len(of_first) - len(common), "only_second": len(of_second) - len(common)}
        names = {"first": first, "second": second, "policies": policies}
        print_json({**names, "judged_by_one": counts, **to_json(outcome)})
        return
    _print(first, second, outcome)
    if len(policies) > 1:
        typer.echo(f"The verdicts were given under several policies: {', '.join(policies)}.", err=True)


def _print(first: str, second: str, outcome: PackageComparison) -> None:
    kappa = "" if outcome.kappa is None else f", kappa {outcome.kappa:.2f}"
    print_line(f"{outcome.images} images judged by both; equal verdicts {outcome.agreement or 0.0:.1%}{kappa}")
    if outcome.mean_score_difference is not None:
        print_line(f"score of {second} minus {first}: {outcome.mean_score_difference:+.1f} on average")
    print_table(
        (f"Verdict of {first}", f"Verdict of {second}", Column("Images", number=True)),
        ((a.value, b.value, str(count)) for a, b, count in outcome.verdicts),
    )
    print_table(
        ("Finding", Column("Both", number=True), Column("Only A", number=True), Column("Only B", number=True),
         Column("Neither", number=True), Column("Mean |Δp|", number=True), Column("Largest", number=True)),
        (
            (row.finding, str(row.both), str(row.only_first), str(row.only_second), str(row.neither),
             f"{row.mean_difference:.3f}", f"{row.largest_difference:.3f}")
            for row in outcome.findings
        ),
    )  # fmt: skip
    for name, uids in ((first, outcome.flagged_only_by_first), (second, outcome.flagged_only_by_second)):
        print_line(f"flagged only by {name}: {len(uids)}")
        for uid in uids[:MOST_SHOWN]:
            print_line(" ", uid)
        if len(uids) > MOST_SHOWN:
            print_line(f"  and {len(uids) - MOST_SHOWN} more; see --json")
