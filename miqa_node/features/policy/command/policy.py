"""``miqa-node policy``: converts a policy of the form of before, and tries one on what was judged lately."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from miqa_node.core.settings.files import read_toml
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.settings.policy_form import is_former
from miqa_node.errors import InputError
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, moment_option, read_moment
from miqa_node.interfaces.cli.output import print_json, print_line, print_table
from miqa_node.interfaces.cli.site_choice import site_limits_of
from miqa_node.interfaces.cli.store import opened, settings_of_node
from miqa_node.stages.conclusion.policy_trial import Changes, PolicyTrial, RuleTrial, compare

app = typer.Typer(no_args_is_help=True, help="The site's policy: convert, try.")
PolicyFile = Annotated[Path, typer.Argument(metavar="FILE", help="A policy.toml.")]


@app.command()
def convert(
    file: PolicyFile,
    out: Annotated[
        Path | None, typer.Option(metavar="NEW", help="Write the rules to this file, which must not exist.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a policy with scopes, the form of earlier versions, as rules, which decide alike.

    What each table became is listed: with - what it was, with + what it is now, with ! what cannot be converted and
    what to do. Comments are lost. Without --out the rules are printed, and the list goes to stderr.

    Exit code 0: all is converted, or FILE has rules already and there is nothing to do. Exit code 1: something could
    not be converted; then nothing is written.
    """
    document = read_toml(file)
    if not is_former(document):
        rules = len(read_policy(file).rules)
        if as_json:
            print_json({"former": False, "converted": False, "text": "", "steps": []})
        else:
            print_line(f"{file} has {rules} rules, and no [[scope]]: there is nothing to do.")
        return
    from miqa_node.features.policy.former import convert as converted

    if out is not None and out.exists():
        raise InputError("{file} exists already; name a new one.", file=str(out))
    conversion = converted(document)
    if as_json:
        is_done = not conversion.obstacles
        steps = [asdict(step) for step in conversion.steps]
        print_json({"former": True, "converted": is_done, "text": conversion.text if is_done else "", "steps": steps})
    else:
        listed = sys.stderr if out is None else sys.stdout
        listed.writelines(f"{line}\n" for line in conversion.lines())
    if conversion.obstacles:
        raise typer.Exit(Exit.FAILED)
    if out is not None:
        with out.open("x", encoding="utf-8") as new:
            new.write(conversion.text)
    elif not as_json:
        sys.stdout.write(conversion.text)


@app.command("try")
def try_(
    file: PolicyFile,
    since: Annotated[
        datetime | None,
        moment_option("Judged then or later; ISO 8601, or 24h, 7d."),
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say by rule what a policy would newly flag, and what no longer, of the images that were judged lately.

    Both the policy in force and FILE, each with the confirmed limits of rooms, decide the stored assessments; nothing
    is judged again, and nothing is changed. Images are the newest ones of each rule, by digest and study.
    """
    from miqa_node.stages.conclusion.rows.judged import judged_since

    settings = settings_of_node(config, data_dir)
    tried, in_force = read_policy(file), read_policy(settings.policy_file)
    limits = site_limits_of(settings)
    if limits.number:
        tried, in_force = tried.with_limits(limits), in_force.with_limits(limits)
    since = since or read_moment("30d")
    with opened(config, data_dir) as database, database.begin() as transaction:
        trial = compare(judged_since(transaction, since), in_force, tried)
    if as_json:
        print_json({"since": since.isoformat(), "in_force": in_force.version, "tried": tried.version, **_data(trial)})
    else:
        _print(trial)


def _data(trial: PolicyTrial) -> dict[str, Any]:
    rules = [{**rule._asdict(), **_changes(changes)} for rule, changes in trial.by_rule]
    return {
        "images": trial.images,
        "flagged": {"now": trial.flagged_now, "then": trial.flagged_then, **_changes(trial.flags)},
        "accepted": _changes(trial.accepts),
        "rules": rules,
    }


def _changes(trial: RuleTrial) -> dict[str, Any]:
    def of(one: Changes) -> dict[str, Any]:
        return {"count": one.count, "images": [image._asdict() for image in one.examples]}

    return {"newly": of(trial.newly), "no_longer": of(trial.no_longer)}


def _print(trial: PolicyTrial) -> None:
    rows = [(" · ".join(filter(None, rule)), changes) for rule, changes in trial.by_rule]
    print_table(("Rule", "Newly flagged", "No longer", "Digest", "Study"), (row for one in rows for row in _rows(*one)))
    print_line(
        f"Of {trial.images} images and series {trial.flagged_now} are flagged now, {trial.flagged_then} would be: "
        f"{trial.flags.newly.count} newly, {trial.flags.no_longer.count} no longer."
    )
    print_line(f"ACCEPT: {trial.accepts.newly.count} newly, {trial.accepts.no_longer.count} no longer.")


def _rows(rule: str, changes: RuleTrial) -> Iterator[tuple[str, str, str, str, str]]:
    """A row for the rule, then one for each image that is named."""
    yield rule, str(changes.newly.count), str(changes.no_longer.count), "", ""
    for image in changes.newly.examples:
        yield "", "+", "", image.digest[:16], image.study_instance_uid
    for image in changes.no_longer.examples:
        yield "", "", "-", image.digest[:16], image.study_instance_uid
