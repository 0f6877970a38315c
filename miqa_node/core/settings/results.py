"""Settings of deliveries and of the analysis."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from miqa_node.core.settings.base import Count, Days, Pause, Seconds, SettingsTable, Share, Span, written


class DeliverSettings(SettingsTable):
    """Table ``[deliver]``."""

    destinations_file: str
    connection_timeout_s: Seconds
    dimse_timeout_s: Seconds
    move_wait_s: Seconds
    backoff_initial_s: Seconds
    backoff_max_s: Seconds
    give_up_after_days: Days
    breaker_failures: Count
    breaker_pause_s: Seconds
    commitment_timeout_s: Span
    poll_interval_s: Seconds
    rejection_delay_s: Pause
    check_interval_s: Seconds
    longest_wait_s: Span


class AnalysisSettings(SettingsTable):
    """Table ``[analysis]``."""

    rooms: dict[str, str]
    shifts: dict[str, Annotated[str, written(r"([01][0-9]|2[0-3]):[0-5][0-9]", "a time such as 07:00")]]
    repeat_window_s: Span
    show_operators: bool
    pseudonym_key: str
    revocation_codes: tuple[
        Annotated[str, written(r"\S{1,64} \S{1,16}", "a code value and its scheme, such as 113037 DCM")], ...
    ]
    archive_ae_titles: tuple[str, ...]
    target_percent: Annotated[float, Field(gt=0, lt=100)]
    action_percent: Annotated[float, Field(gt=0, lt=100)]
    audit_share: Share
    second_reader_share: Share
    count_interval_s: Seconds
    reject_log_mappings: str
    report_schedule: Annotated[str, written(r"|\S+( \S+){4,5}", "the five fields of cron, such as 0 6 1 * *")]

    @property
    def revocations(self) -> frozenset[tuple[str, str]]:
        """``revocation_codes`` as (code value, coding scheme)."""
        return frozenset((value, scheme) for value, scheme in (code.split(" ") for code in self.revocation_codes))
