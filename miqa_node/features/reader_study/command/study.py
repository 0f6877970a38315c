"""``miqa-node study``: plan a reader study, draw its images, and report on it."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from miqa_node import __version__
from miqa_node.core.files.whole_file import write_whole
from miqa_node.errors import ConflictError
from miqa_node.features.reader_study import rows as reader_studies
from miqa_node.features.reader_study.protocol import ExpectedAccuracy, ReaderStudyProtocol, read_protocol
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, read_day, settings_of
from miqa_node.interfaces.cli.output import Column, number, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.site_choice import policy_of
from miqa_node.interfaces.cli.store import open_transaction
from miqa_node.runtime.site_records import activations

app = typer.Typer(no_args_is_help=True, help="Reader studies: plan, collect, report, list.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits and hyphens.")]
QUESTION = "Do the alarms of the node agree with what readers call unusable?"


@app.command()
def plan(
    name: Name,
    since: Annotated[str, typer.Option(metavar="DAY", help="First day, as 2026-12-01.")],
    until: Annotated[str, typer.Option(metavar="DAY", help="Last day.")],
    reader: Annotated[list[str], typer.Option(metavar="ACCOUNT", help="Account of a reader; give it for each.")],
    prevalence: Annotated[float, typer.Option(metavar="SHARE", help="Expected share of unusable images.")] = 0.1,
    sensitivity: Annotated[float, typer.Option(metavar="SHARE", help="Expected sensitivity of alarms.")] = 0.85,
    specificity: Annotated[float, typer.Option(metavar="SHARE", help="Expected specificity.")] = 0.95,
    least_sensitivity: Annotated[float, typer.Option(metavar="SHARE", help="To be exceeded.")] = 0.7,
    least_specificity: Annotated[float, typer.Option(metavar="SHARE", help="To be exceeded.")] = 0.9,
    power: Annotated[float, typer.Option(metavar="SHARE", help="Probability of showing each of the two.")] = 0.8,
    images: Annotated[int, typer.Option(metavar="N", help="Number of images; 0 computes it.", min=0)] = 0,
    run_length: Annotated[int, typer.Option(metavar="N", help="Consecutive images in a run.", min=1)] = 10,
    room: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this room; repeatable.")] = None,
    aided: Annotated[bool, typer.Option("--aided", help="Read again later, with the verdict shown.")] = False,
    washout_days: Annotated[int, typer.Option(metavar="DAYS", help="Between the two readings.", min=0)] = 28,
    question: Annotated[str, typer.Option(metavar="TEXT", help="What the study is to answer.")] = QUESTION,
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Fix the protocol: compute the number of images, and print the protocol's hash to register or send on."""
    from miqa_node.features.reader_study.sample_size import images_needed
    from miqa_node.stages.assess.active import chosen_package
    from miqa_node.stages.assess.package_checks import package_label

    expected = ExpectedAccuracy(
        prevalence=prevalence,
        sensitivity=sensitivity,
        specificity=specificity,
        least_sensitivity=least_sensitivity,
        least_specificity=least_specificity,
        power=power,
    )
    settings = settings_of(config, data_dir)
    with open_transaction(config, data_dir) as transaction:
        folder = chosen_package(settings, activations.current(transaction))
    number = images or images_needed(expected)
    protocol = ReaderStudyProtocol(
        name=name,
        question=question,
        since=read_day(since),
        until=read_day(until) + timedelta(days=1),
        rooms=tuple(sorted(room or ())),
        images=number,
        run_length=min(run_length, number),
        readers=tuple(sorted(reader)),
        aided=aided,
        washout_days=washout_days,
        expected=expected,
        seed=secrets.token_hex(16),
        model=package_label(folder) if folder else "",
        policy=policy_of(settings).version,
        software=f"miqa-node {__version__}",
    )
    with open_transaction(config, data_dir) as transaction:
        now = datetime.now(UTC)
        reader_studies.plan(transaction, name, protocol.text, protocol.sha256, actor or login(), now)
    if as_json:
        print_json({"sha256": protocol.sha256, "protocol": to_json(protocol)})
        return
    print_line(f"{name}: {number} images, {len(protocol.readers)} readers")
    print_line(f"protocol SHA-256: {protocol.sha256}")
    print_line(f"After {protocol.until - timedelta(days=1)}: miqa-node study collect {name}")


@app.command()
def collect(name: Name, config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Draw the images once the period is over; readers then find them at /reader-studies."""
    from miqa_node.features.reader_study.selection import draw

    node = settings_of(config, data_dir).node
    with open_transaction(config, data_dir) as transaction:
        protocol = read_protocol(reader_studies.find(transaction, name).protocol)
        now = datetime.now(UTC)
        if node.day(now) < protocol.until:
            raise ConflictError(f"The period ends on {protocol.until - timedelta(days=1)}; draw the images after it.")
        available, left_out = reader_studies.candidates(transaction, protocol.since, protocol.until, protocol.rooms)
        drawn = draw(protocol, available)
        reader_studies.collect(transaction, name, drawn, len(available), now)
    print_line(f"{name}: {len(drawn)} of {len(available)} judged images drawn; {left_out} not assessed are left out")
    print_line(f"Readers sign in and open /reader-studies: {', '.join(protocol.readers)}")


@app.command()
def report(
    name: Name,
    pdf: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as PDF.")] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Report on a finished study; while readings are missing there are no figures, only what is missing."""
    from miqa_node.features.reader_study.results import evaluate

    with open_transaction(config, data_dir) as transaction:
        study = reader_studies.find(transaction, name)
        protocol = read_protocol(study.protocol)
        results = evaluate(
            protocol, reader_studies.images(transaction, name), reader_studies.readings(transaction, name)
        )
    if pdf is not None:
        from miqa_node.features.reader_study.report import study_pdf

        write_whole(pdf, study_pdf(study, protocol, results, settings_of(config, data_dir).node.language))
    if as_json:
        print_json({"sha256": protocol.sha256, "protocol": to_json(protocol), "results": to_json(results)})
        return
    print_line(f"{name}: {results.unusable} of {results.images} images unusable; protocol {protocol.sha256}")
    print_table(
        ("Measure", Column("Images", number=True), Column("Share", number=True), Column("Limits", number=True)),
        (
            (words, f"{rate.count}/{rate.total}", number(rate.share), f"{number(rate.low)}–{number(rate.high)}")
            for words, rate in (
                ("sensitivity", results.sensitivity),
                ("specificity", results.specificity),
                ("alarms that were right", results.positive_predictive_value),
                ("images with an alarm", results.alarm_rate),
            )
        ),
    )
    print_table(
        ("Judges", Column("kappa", number=True), Column("AC1", number=True)),
        (
            (f"{pair.first}, {pair.second}", number(pair.kappa.kappa), number(pair.ac1.kappa))
            for pair in results.agreement
        ),
    )
    if results.aided is not None:
        print_line(
            f"with the verdict: area {results.aided.areas[0]:.3f} → {results.aided.areas[1]:.3f}, difference "
            f"{results.aided.low:+.3f} to {results.aided.high:+.3f}, p = {results.aided.p_value:.3f}"
        )


@app.command("list")
def list_(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the studies, and how many readings are missing."""
    from miqa_node.features.reader_study.selection import progress

    rows = []
    node = settings_of(config, data_dir).node
    with open_transaction(config, data_dir) as transaction:
        for study in reader_studies.select(transaction):
            protocol = read_protocol(study.protocol)
            images = reader_studies.images(transaction, study.name)
            missing = sum(progress(protocol, images, reader_studies.readings(transaction, study.name)).values())
            rows.append((study.name, str(node.day(study.planned_at)), len(images), missing, protocol.sha256))
    if as_json:
        names = ("name", "planned", "images", "readings_missing", "sha256")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    heads = ("Study", "Planned", Column("Images", number=True), Column("Readings missing", number=True), "SHA-256")
    print_table(heads, (tuple(str(value) for value in row) for row in rows))
