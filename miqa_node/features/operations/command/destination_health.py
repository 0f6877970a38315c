"""What ``doctor`` says of destinations: it asks them, and reads what the running node wrote down of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from miqa_node.core.domain.operations import DestinationBacklog, DestinationHealth, DestinationStatus
from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError, SettingsError
from miqa_node.features.operations.command.health_checks import FailedCheck, HealthCheck, outcome_of
from miqa_node.stages.deliver.destinations import parse_destinations, parse_flag
from miqa_node.stages.deliver.kinds.base import DeliveryContext, DestinationConfig, connect

LET_IN = "Check that it runs, its address, and that it lets this node in."


def examine_destinations(
    settings: Settings, flags: Sequence[str], recorded: Callable[[tuple[str, ...]], Sequence[DestinationStatus]]
) -> Iterator[HealthCheck]:
    """Every destination of file, flags and running node, and what waits for one that is gone; what fails comes first.

    ``recorded`` reads what the database has of the destinations with these names, and of all others.
    """
    file = settings.destinations_file
    try:
        described = list(parse_destinations(file)) if file.exists() else []
        described += [parse_flag(flag) for flag in flags]
    except SettingsError as error:
        yield HealthCheck("destinations", False, str(error), "Compare the file with config/destinations.example.toml.")
        return
    named = {one.name for one in described}
    statuses = recorded(tuple(named))
    by_name = {one.name: one for one in statuses}
    outcomes = [_asked(one, by_name.get(one.name), settings) for one in described]
    outcomes += [_of_node(one, file) for one in statuses if one.name not in named]
    if not outcomes:
        mend = f"Write {file} (see config/destinations.example.toml), or give run --destination."
        yield HealthCheck("destinations", True, "none: results are stored but not delivered", mend)
    yield from sorted(outcomes, key=lambda one: one.ok)
    for name in sorted({*settings.retention.archives} - named - by_name.keys()):
        detail = f"retention.archives names {name}, which is not a destination"
        yield HealthCheck(f"archive {name}", False, detail, f"Describe it in {file}, or correct the name.")


def _asked(config: DestinationConfig, status: DestinationStatus | None, settings: Settings) -> HealthCheck:
    """A destination that is described: it is asked now; if it answers, what it did not take counts."""
    outcome = outcome_of(f"destination {config.name}", partial(_probe, config, settings))
    return outcome if status is None or not outcome.ok else _with_backlog(outcome, status.name, status.backlog)


def _of_node(status: DestinationStatus, file: Path) -> HealthCheck:
    """A destination that only the running node knows, or that nothing knows any more."""
    name, backlog = f"destination {status.name}", status.backlog
    if status.health is DestinationHealth.UNKNOWN:
        detail = f"was removed or renamed, and {backlog.waiting + backlog.held} deliveries wait for it"
        mend = f"Describe it in {file} again, or run miqa-node deliveries cancel --destination {status.name}."
        return HealthCheck(name, False, detail, mend)
    if status.hold is not None:
        return HealthCheck(name, True, f"is held by {status.hold.actor}, and {backlog.waiting} deliveries wait for it")
    fails = status.health is DestinationHealth.FAILING
    where = "given by run --destination, asked" if status.by_option else "asked"
    detail = f"{status.address} {status.detail} ({where} by the running node)"
    outcome = HealthCheck(name, not fails, detail, LET_IN if fails else "")
    return outcome if fails else _with_backlog(outcome, status.name, backlog)


def _with_backlog(outcome: HealthCheck, name: str, backlog: DestinationBacklog) -> HealthCheck:
    """It answers; if it does not take what is sent, such as a full archive, that is a fault all the same."""
    troubles = []
    if backlog.failed:
        troubles.append(f"{backlog.failed} deliveries were given up")
    if backlog.waiting and backlog.last_error:
        troubles.append(f"{backlog.waiting} deliveries wait")
    if not troubles:
        return outcome
    detail = f"{outcome.detail}, but {' and '.join(troubles)}: {backlog.last_error or 'no reason is known'}"
    mend = f"Mend what the error says; then miqa-node deliveries resend --destination {name}, or cancel."
    return HealthCheck(outcome.check, False, detail, mend)


def _probe(config: DestinationConfig, settings: Settings) -> str:
    destination = connect(config, DeliveryContext(settings.deliver, settings.dicom.ae_title))
    try:
        return f"{config.address} {destination.probe()}"
    except MiqaError as error:
        reason = str(error).removeprefix(f"{config.address}: ")
        raise FailedCheck(f"{config.address}: {reason}", destination.access_hint) from error
    finally:
        destination.close()
