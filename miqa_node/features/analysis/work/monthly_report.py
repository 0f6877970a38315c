"""Makes and keeps the report on the last month, on the schedule of the settings."""

from __future__ import annotations

from datetime import datetime

import structlog

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.settings import Settings
from miqa_node.features.analysis.monthly_reports import keep_last_month
from miqa_node.parts import PartKind, Schedule
from miqa_node.runtime.store.database import Database

log = structlog.get_logger(__name__)


def monthly_report(database: Database, objects: ObjectStore, settings: Settings) -> Schedule:
    """The schedule of the report on the last month."""

    def report(due_at: datetime) -> None:
        log.info("monthly report", month=keep_last_month(database, objects, settings, due_at))

    return Schedule("monthly-report", settings.analysis.report_schedule, report)


PART = PartKind("monthly_report", lambda context: monthly_report(context.database, context.objects, context.settings))
