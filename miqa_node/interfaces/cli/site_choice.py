"""What a node with these settings has chosen: its packages, the limits of its rooms, and so the policy in force."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from miqa_node.core.domain.model_choice import ModelChoice
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.site_limit import SiteLimits
from miqa_node.core.settings import Settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.errors import ResourcesError, SettingsError
from miqa_node.interfaces.cli.store import check_exists
from miqa_node.runtime.site_records import activations, site_limits
from miqa_node.runtime.store.database import Database, Transaction

T = TypeVar("T")


def choice_of(settings: Settings) -> ModelChoice:
    """The model choice of the node with these settings; empty if it has no database."""
    return _kept(settings, activations.current, ModelChoice())


def site_limits_of(settings: Settings) -> SiteLimits:
    """The confirmed limits of the node with these settings; none if it has no database."""
    return _kept(settings, site_limits.current, SiteLimits())


def policy_of(settings: Settings) -> Policy:
    """The policy in force: that of the file with the confirmed limits of the node with these settings."""
    return read_policy(settings.policy_file).with_limits(site_limits_of(settings))


def _kept(settings: Settings, read: Callable[[Transaction], T], otherwise: T) -> T:
    try:
        check_exists(settings)
    except SettingsError:
        return otherwise
    with closing(Database(settings.database_url, pool_size=1)) as database:
        try:
            database.check()
            with database.begin() as transaction:
                return read(transaction)
        except ResourcesError:
            if settings.store.database_url:
                raise  # a node is meant; to judge or decide otherwise than it does would be wrong
            return otherwise  # a database of an older version has no such table
