"""Settings of the node itself: name, stores, queue, logs and plug-ins."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field

from miqa_node.core.settings.base import Count, Days, Pause, Seconds, SettingsTable, Span, cores, written


class Accelerator(StrEnum):
    """Where models run; AUTO takes a GPU when a provider for it loads."""

    AUTO = "auto"
    CPU = "cpu"
    GPU = "gpu"


def _is_zone(name: str) -> str:
    if name and name not in available_timezones():
        meant = get_close_matches(name, available_timezones(), 1)
        hint = f"; did you mean {meant[0]}?" if meant else ", such as Europe/Berlin; empty is the system's."
        raise ValueError(f"{name!r} is not the name of a time zone{hint}")
    return name


class NodeSettings(SettingsTable):
    """Table ``[node]``."""

    name: Annotated[str, written(r"[A-Za-z0-9._-]{1,64}", "1 to 64 letters, digits, dots, hyphens and underscores")]
    site: Annotated[str, Field(max_length=64)]
    time_zone: Annotated[str, AfterValidator(_is_zone)]
    language: Annotated[str, written(r"[a-z]{2,3}", "the code of a language, such as en or de")]
    data_dir: Path
    accelerator: Accelerator

    @property
    def zone(self) -> ZoneInfo | None:
        """The site's time zone; None is the system's, which ``astimezone`` takes as well."""
        return ZoneInfo(self.time_zone) if self.time_zone else None

    def day(self, at: datetime) -> date:
        """The day of a moment on the site's clock."""
        return at.astimezone(self.zone).date()


class StoreSettings(SettingsTable):
    """Table ``[store]``."""

    database_url: str
    objects_url: str
    min_free_bytes: Annotated[int, Field(ge=0)]
    cache_bytes: Count
    pool_size: Count


class WorkSettings(SettingsTable):
    """Table ``[work]``."""

    processes: Annotated[int, Field(ge=0)]
    memory_bytes: Count
    timeout_s: Seconds
    sandbox: bool
    poll_interval_s: Seconds
    max_attempts: Count
    heartbeat_interval_s: Seconds
    dead_after_s: Span
    ct_quiet_s: Seconds
    mr_quiet_s: Seconds
    sender_quiet_s: dict[str, Seconds]
    study_quiet_s: Seconds
    series_max_slices: Count
    reassess_per_minute: Count
    canary_interval_s: Pause

    @property
    def worker_processes(self) -> int:
        """How many processes work on images: those that are set, or one for each core that this process may use."""
        return self.processes or cores()


class RetentionSettings(SettingsTable):
    """Table ``[retention]``."""

    enabled: bool | Literal["new"]
    accepted_days: Days
    flagged_days: Days
    artifacts_days: Days
    events_days: Days
    min_free_percent: Annotated[float, Field(ge=0, lt=100)]
    sources: dict[str, Days]
    archives: tuple[str, ...]
    foreign_tables: tuple[str, ...]
    interval_s: Seconds
    clock_step_days: Annotated[float, Field(gt=0, le=36_500)]

    @property
    def clock_step(self) -> timedelta:
        """The longest step of the clock, or time without the node, that nobody has to confirm."""
        return timedelta(days=self.clock_step_days)


class LogFormat(StrEnum):
    """How log lines are written; AUTO is CONSOLE on a terminal and JSON elsewhere."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogSettings(SettingsTable):
    """Table ``[log]``."""

    level: LogLevel
    format: LogFormat


class TelemetrySettings(SettingsTable):
    """Table ``[telemetry]``."""

    traces_url: Annotated[str, written(r"(https?://.+)?", "an address that begins with http:// or https://")]


class PluginSettings(SettingsTable):
    """Table ``[plugins]``."""

    allow: tuple[str, ...]
