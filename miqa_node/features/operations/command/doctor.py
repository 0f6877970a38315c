"""``miqa-node doctor``: checks everything that the node needs, and gives a remedy for each fault."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from miqa_node import plugins
from miqa_node.core.domain.measurand import MEASUREMENTS, is_withdrawn, withdrawn_words
from miqa_node.core.domain.operations import RENEWAL, DestinationStatus
from miqa_node.core.domain.rule import ANOMALY, Subject
from miqa_node.core.keys.secret_files import KEY_FILE, open_key
from miqa_node.core.settings import Settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.taxonomy.policy_file import withdrawn_measurements
from miqa_node.core.words.voice import voice
from miqa_node.errors import DeliveryError, FormerPolicyError, MiqaError, ModelPackageError, SettingsError
from miqa_node.features.operations.command.contradiction_checks import rule_of_contradictions
from miqa_node.features.operations.command.destination_health import examine_destinations
from miqa_node.features.operations.command.figure_checks import figures_of_packages
from miqa_node.features.operations.command.health_checks import FailedCheck, HealthCheck, outcome_of
from miqa_node.features.operations.command.map_checks import gradient_graphs
from miqa_node.features.operations.command.port_checks import ask_node, check_health_port, check_port, check_proxies
from miqa_node.features.operations.command.port_table import port_rows
from miqa_node.features.operations.command.prediction_checks import evidence_of_packages
from miqa_node.features.operations.command.series_checks import series_accepted, series_libraries
from miqa_node.features.operations.command.storage_checks import data_directory, database, from_database, object_store
from miqa_node.features.operations.command.text_checks import text_in_pixels
from miqa_node.features.operations.command.troubles import troubles
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import print_json, print_line, print_table
from miqa_node.interfaces.cli.site_choice import choice_of
from miqa_node.isolation.inference import has_inference_process
from miqa_node.isolation.sandbox import described
from miqa_node.plugins import addition
from miqa_node.runtime.people import pseudonym_keys, tokens
from miqa_node.runtime.site_records import retention_clock
from miqa_node.runtime.store import damages
from miqa_node.stages.assess.active import chosen_package
from miqa_node.stages.assess.caption.captioned import captioner_of
from miqa_node.stages.assess.package_files import find_package, hidden_in_words, places
from miqa_node.stages.assess.package_use import check_package
from miqa_node.stages.assess.session import available_provider
from miqa_node.stages.deliver.certificates import certificate_ends, certificate_files
from miqa_node.stages.deliver.destinations import Destinations, parse_flag
from miqa_node.stages.deliver.mail import probe_mail
from miqa_node.stages.deliver.rows import destination_checks
from miqa_node.stages.measure.installed import SERIES, is_installed
from miqa_node.stages.report.fonts import SCRIPTS, missing_scripts


def doctor(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    destination: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=WHERE",
            help="Check this destination too; WHERE is AET@HOST:PORT, an http(s) address or a folder; repeatable.",
        ),
    ] = None,
    ports: Annotated[
        bool, typer.Option("--ports", help="Only list the ports that a firewall has to let through, by the settings.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check settings, disk, database, policy, models, accelerator, ports, mail server and destinations.

    Exit code 1: something must be fixed. The command changes nothing.
    """
    if ports:
        _list_ports(settings_of(config, data_dir), destination or (), as_json=as_json)
        return
    outcomes: list[HealthCheck] = []
    for outcome in examine(config, data_dir, destination or ()):
        outcomes.append(outcome)
        if not as_json:
            print_line("ok  " if outcome.ok else "fail", f"{outcome.check:<22}", outcome.detail)
            if outcome.mend:
                print_line("    ", " " * 22, f"→ {outcome.mend}")
    failed = sum(not outcome.ok for outcome in outcomes)
    if as_json:
        print_json({"ok": not failed, "checks": [asdict(outcome) for outcome in outcomes]})
    if failed:
        raise typer.Exit(Exit.FAILED)


def _list_ports(settings: Settings, flags: Sequence[str], *, as_json: bool) -> None:
    current = Destinations(settings.destinations_file, [parse_flag(flag) for flag in flags]).current()
    rows = [asdict(row) for row in port_rows(settings, current.values())]
    if as_json:
        print_json({"ports": rows})
    else:
        print_table(
            ("Way", "Address", "Setting", "Default", "When", "Protocol", "Peer", "TLS"),
            (tuple(row.values()) for row in rows),
        )


def examine(config: Path | None, data_dir: Path | None, flags: tuple[str, ...] | list[str]) -> Iterator[HealthCheck]:
    """Every check in turn; without valid settings only the first."""
    try:
        settings = settings_of(config, data_dir)
    except SettingsError as error:
        yield HealthCheck("settings", False, str(error), "Correct the file, the flag or the environment variable.")
        return
    quiet_logs(settings)
    yield outcome_of("settings", partial(_sources, settings, config))
    checks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("data directory", data_directory),
        ("database", database),
        ("object store", object_store),
        ("stored objects", _stored_objects),
        ("clock", _retention_clock),
        ("pseudonyms", _pseudonyms),
        ("policy", _policy),
        ("accelerator", _accelerator),
        ("models", _models),
        ("figures", figures_of_packages),
        ("predictions", evidence_of_packages),
        ("contradictions", rule_of_contradictions),
        ("maps", gradient_graphs),
        ("series", series_libraries),
        ("series accepted", series_accepted),
        ("text in pixels", text_in_pixels),
        ("captions", _captions),
        ("sandbox of workers", lambda s: described(s, is_alone=not has_inference_process(s))),
        ("fonts", _fonts),
        ("DICOM port", lambda s: check_port(s.dicom.host, s.dicom.port, "dicom.port")),
        ("web port", lambda s: check_port(s.web.host, s.web.port, "web.port")),
        ("proxies", check_proxies),
        ("certificates", _certificates),
        ("tokens", _tokens),
        ("notices", _notices),
        ("health port", check_health_port),
        ("node", ask_node),
    )
    for name, check in checks:
        outcome = outcome_of(name, partial(check, settings))
        yield outcome
    remembered = from_database(settings, lambda transaction: list(troubles(transaction, settings)))
    for subject, detail, mend in remembered or ():
        yield HealthCheck(subject, True, detail, mend)
    yield from examine_destinations(settings, flags, lambda names: _recorded(settings, names))
    for plugin in plugins.of_others():
        origin = f"{plugin.distribution} {plugin.version}".rstrip()
        state = f"unavailable: {plugin.unavailable}" if plugin.unavailable else "loaded"
        yield HealthCheck(f"plug-in {plugin.seam}.{plugin.name}", True, f"{origin}, {state}")


def _sources(settings: Settings, config: Path | None) -> str:
    tables = tuple(f"MIQA_{table.upper()}__" for table in type(settings).model_fields)
    variables = [name for name in os.environ if name.upper().startswith("MIQA_") and "__" in name]
    if unknown := [name for name in variables if not name.upper().startswith(tables)]:
        mend = "Correct or remove them; docs/reference/configuration.md lists every variable."
        raise FailedCheck(f"no settings table is named in {', '.join(sorted(unknown))}", mend)

    voice(settings.node.language)
    source = f"{config} over the defaults" if config else "the defaults"
    return f"{source}, {len(variables)} environment variable{'' if len(variables) == 1 else 's'}"


def _retention_clock(settings: Settings) -> str:
    alarm = from_database(settings, lambda transaction: next(retention_clock.alarms(transaction), None))
    if alarm is not None:
        raise FailedCheck(
            f"{alarm.subject}. {alarm.text.removesuffix(retention_clock.MEND).rstrip()}", retention_clock.MEND
        )
    return "retention does not wait for its confirmation"


def _stored_objects(settings: Settings) -> str:
    alarm = from_database(settings, lambda transaction: next(damages.alarm(transaction), None))
    if alarm is not None:
        raise FailedCheck(f"{alarm.subject}.", alarm.text)
    return "none is known to be lost or damaged (miqa-node fsck --deep reads all)"


def _pseudonyms(settings: Settings) -> str:
    secret = settings.analysis.pseudonym_key
    if not secret and not (settings.node.data_dir / KEY_FILE).exists():
        return "no key yet: the first start makes one"
    mark = pseudonym_keys.fingerprint(open_key(settings.node.data_dir / KEY_FILE, secret))
    noted = from_database(settings, lambda transaction: pseudonym_keys.in_use(transaction, datetime.now(UTC))) or {}
    if keys := pseudonym_keys.conflict({**noted, pseudonym_keys.place_of(settings): mark}):
        raise FailedCheck(f"several keys are in use: {keys}", pseudonym_keys.MEND)
    return f"one key, {mark}"


def _policy(settings: Settings) -> str:
    try:
        policy = read_policy(settings.policy_file)
    except FormerPolicyError as error:
        mend = "Name NEW in the setting policy.file. Until then a node of this version receives, and judges nothing."
        raise FailedCheck(f"{settings.policy_file}: {error}", mend) from error
    except MiqaError as error:
        mend = "Compare it with config/policy.toml; docs/reference/configuration.md names the setting policy.file."
        raise FailedCheck(f"{settings.policy_file}: {error}", mend) from error
    names = {rule.what for rule in policy.of(Subject.MEASUREMENT)} - {ANOMALY}
    if unknown := sorted(name for name in names - set(MEASUREMENTS.all()) if not is_withdrawn(name)):
        mend = "Correct the names (docs/reference/measurements.md has those of the node), or install what takes them."
        text = f"{settings.policy_file}: nothing here measures {', '.join(unknown)}, so these rules never apply."
        if is_installed(SERIES):
            raise FailedCheck(text, mend)
        return f"{text} {addition('miqa-node-series')} adds those of series."
    old = "".join(
        f"; {withdrawn_words(name)}: rules about it have no effect, and ACCEPT that asks for it accepts nothing"
        for name in withdrawn_measurements(policy.rules)
    )
    return f"{settings.policy_file}, version {policy.version}, {len(policy.rules)} rules{old}"


def _accelerator(settings: Settings) -> str:
    try:
        provider = available_provider(settings.node.accelerator)
    except MiqaError as error:
        mend = "Install the extra [gpu] and its driver, or set node.accelerator to auto or cpu."
        raise FailedCheck(str(error), mend) from error
    place = "in one process for all workers" if has_inference_process(settings) else "in each worker"
    return f"{provider}, node.accelerator is {settings.node.accelerator.value}; models run {place}"


def _models(settings: Settings) -> str:
    choice = choice_of(settings)
    try:
        folder = chosen_package(settings, choice)
    except ModelPackageError as error:
        mend = "Install it there again, or choose another: miqa-node models activate, or assess.quality_package."
        detail = f"{error} Running processes keep the one before; with one that is started now, images wait."
        raise FailedCheck(detail, mend) from error
    if choice.shadow and find_package(settings.model_folders, choice.shadow) is None:
        mend = "Install it there again, or end the trial: miqa-node models shadow --off."
        raise FailedCheck(f"The package in trial, {choice.shadow}, is not in {places(settings.model_folders)}.", mend)
    if folder is None:
        mend = "Set assess.models_dir to a folder of packages, or assess.shipped_packages to true."
        raise FailedCheck(f"no quality package in {places(settings.model_folders)}: every image is NOT_ASSESSED", mend)
    outcome = check_package(folder, settings)
    if not outcome["ok"]:
        raise FailedCheck(outcome["error"], "Restore the package's files as they were released.")
    if not outcome["may_be_active"]:
        raise FailedCheck(
            f"{folder.name} has no golden images", "Activate a package that has: miqa-node models activate."
        )
    judging = f"{folder.name}, {outcome['goldens']} golden images agree on {outcome['provider']}"
    return "; ".join((judging, *(words.removesuffix(".") for words in hidden_in_words(settings.model_folders))))


def _captions(settings: Settings) -> str:
    try:
        opened = captioner_of(settings)
        return "no backend (caption.backend)" if opened is None else f"{opened().writer} describes images"
    except MiqaError as error:
        raise FailedCheck(str(error), "Correct [caption] in the settings, or set caption.backend to off.") from error


def _fonts(_settings: Settings) -> str:
    if missing := missing_scripts():
        packages = "install fonts-dejavu-core and fonts-droid-fallback to have them drawn"
        return f"{', '.join(missing)} letters are spelled by code point in pictures and PDF; {packages}"
    return f"pictures and PDF can draw {', '.join(SCRIPTS)}"


def _certificates(settings: Settings) -> str:
    files = certificate_files(settings, Destinations(settings.destinations_file))
    ends, now = list(certificate_ends(files)), datetime.now(UTC)
    if unreadable := sorted(files.keys() - {end.name for end in ends}):
        raise FailedCheck(
            f"{', '.join(unreadable)}: the file cannot be read", "Name a PEM file that this user may read."
        )
    detail = ", ".join(f"{end.name} ends on {end.at:%Y-%m-%d}" for end in ends) or "none is presented"
    if any(end.is_near(now) for end in ends):
        raise FailedCheck(detail, RENEWAL)
    return detail


def _tokens(settings: Settings) -> str:
    soon = from_database(settings, lambda transaction: list(tokens.alarms(transaction, datetime.now(UTC))))
    if soon:
        raise FailedCheck("; ".join(one.subject for one in soon), tokens.RENEW)
    return "none in use ends within 14 days"


def _notices(settings: Settings) -> str:
    if not settings.notices.used:
        return "no mail server (notices.smtp_host)"
    try:
        return probe_mail(settings.notices)
    except DeliveryError as error:
        raise FailedCheck(str(error), "Check [notices] in the settings, the server and the firewall.") from error


def _recorded(settings: Settings, names: tuple[str, ...]) -> Sequence[DestinationStatus]:
    """What running nodes know of destinations, and what waits for them; nothing without a database."""
    now = datetime.now(UTC)
    return from_database(settings, lambda transaction: destination_checks.statuses(transaction, names, now)) or ()
