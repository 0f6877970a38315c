"""Views in the audit trail: repeated views by the same person are recorded once per period."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import replace

from miqa_node.errors import ResourcesError
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.stages.receive.rows.group import GroupCommit
from miqa_node.stages.units.rows import instances

MAX_REMEMBERED = 10_000
"""Maximum number of remembered views."""


class RecordedViews:
    """The recorded views of one process; thread-safe."""

    def __init__(self, database: Database, again_s: float) -> None:
        self._again_s = again_s
        self._commits = GroupCommit(database)
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, ...], float] = OrderedDict()

    def is_new(self, entry: AuditEntry) -> bool:
        """Whether the view was not recorded recently; pictures and maps of an image count as the same view."""
        subject = entry.study or entry.digest
        page = "" if subject else str(entry.detail.get("page", entry.detail.get("what", "")))
        within = "".join(str(entry.detail.get(key, "")) for key in ("series_uid", "instance_uid"))
        key = (entry.event.value, entry.actor, entry.means, entry.peer, subject, page, within)
        now = time.monotonic()
        with self._lock:
            if now - self._seen.get(key, -self._again_s) < self._again_s:
                return False
            self._seen[key] = now
            self._seen.move_to_end(key)
            if len(self._seen) > MAX_REMEMBERED:
                self._seen.popitem(last=False)
        return True

    def write(self, entry: AuditEntry) -> None:
        """Record a view; ResourcesError if the database cannot take it."""
        try:
            self._commits.run(lambda transaction: records.add(transaction, _by_digest(transaction, entry)))
        except ResourcesError:
            with self._lock:
                self._seen.clear()
            raise


def _by_digest(transaction: Transaction, entry: AuditEntry) -> AuditEntry:
    """The same view by digest, if the request named the image by UID."""
    if "." not in entry.digest:
        return entry
    digests = instances.find(transaction, entry.digest)
    return replace(entry, digest=digests[0] if digests else "", detail={**entry.detail, "uid": entry.digest})
