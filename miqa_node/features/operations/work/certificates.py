"""Says in the log and the metrics how long the certificates last that the node presents, before peers refuse it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import structlog

from miqa_node.core.observe import metrics
from miqa_node.parts import PartKind, StartMoment
from miqa_node.runtime.work.regular import RegularWork
from miqa_node.stages.deliver.certificates import certificate_ends, certificate_files

LOOK_S = 600.0
SAY_INTERVAL = timedelta(days=1)

log = structlog.get_logger(__name__)


class CertificateWatch(RegularWork):
    """Reads the files again at intervals: they change when somebody renews a certificate."""

    def __init__(self, files: Callable[[], Mapping[str, str]]) -> None:
        """``files`` gives the PEM files in use, by setting or destination."""
        super().__init__("certificate-watch", LOOK_S, "the watch of certificates waits")
        self._files = files
        self._said_at: dict[str, datetime] = {}

    def start(self) -> None:
        """Start the thread; it looks at once."""
        super().start()
        self.wake()

    def look(self) -> None:
        """Set the metric of each certificate, and say once a day which ones end soon."""
        now, ends = datetime.now(UTC), list(certificate_ends(self._files()))
        metrics.CERTIFICATE_EXPIRY.clear()
        for end in ends:
            metrics.CERTIFICATE_EXPIRY.labels(end.name).set(end.at.timestamp())
            if end.is_near(now) and now - self._said_at.get(end.name, datetime.min.replace(tzinfo=UTC)) >= SAY_INTERVAL:
                self._said_at[end.name] = now
                log.warning("a certificate ends soon: renew it", certificate=end.name, ends_at=end.at.isoformat())


PART = PartKind(
    "certificates",
    lambda context: CertificateWatch(lambda: certificate_files(context.settings, context.destinations)),
    StartMoment.SERVING,
    role=None,
)
