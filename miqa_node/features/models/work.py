"""Watches how sure certified packages are of new images: a certificate ends when that drifts from its cases."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from miqa_node.errors import ModelPackageError
from miqa_node.features.models.rows.known_images import confidences
from miqa_node.libraries.plain_statistics.mean_shifts import WINDOW, largest_shift
from miqa_node.parts import PartKind, StartMoment
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.work.regular import RegularWork
from miqa_node.stages.assess.prediction_certificate import (
    CertificateFile,
    EarlyEnd,
    EndCause,
    certificate_names,
    certificate_path,
    read_certificate,
    write_certificate,
)

LOOK_S = 60.0
MOST_IMAGES = 5_000
"""Verdicts that one look reads; those before a start that lie further back are not looked at again."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Watch:
    """The newest confidences of one certificate, and when the last of their images was decided."""

    since: datetime
    newest: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW - 1))


class PredictionWatch(RegularWork):
    """Reads the confidence of images that certificates cover, each image once, and ends certificates that drift."""

    def __init__(self, database: Database, data_dir: Path, now: Callable[[], datetime] | None = None) -> None:
        super().__init__("prediction-watch", LOOK_S, "the watch of certificates for predictions waits")
        self._database, self._data_dir = database, data_dir
        self._now = now or (lambda: datetime.now(UTC))
        self._watches: dict[str, _Watch] = {}

    def look(self) -> None:
        """Look at every certificate that has not ended."""
        for name in certificate_names(self._data_dir):
            path = certificate_path(self._data_dir, name)
            try:
                file = read_certificate(path)
            except ModelPackageError:  # judging says so
                continue
            if file.end is None and file.certificate.ends_at > self._now():
                self._look_at(path, file)

    def _look_at(self, path: Path, file: CertificateFile) -> None:
        drift = file.certificate.drift
        watch = self._watches.setdefault(file.sha256, _Watch(file.certificate.made_at))
        with self._database.begin() as transaction:
            images = list(confidences(transaction, file.sha256, watch.since, MOST_IMAGES))
        if not images:
            return
        new = [confidence for _, confidence in images if confidence is not None]
        shift = largest_shift([*watch.newest, *new], drift.mean)
        watch.since = images[-1][0]
        watch.newest.extend(new)
        if shift > drift.limit:
            end = EarlyEnd(cause=EndCause.DRIFTED, at=self._now(), shift=shift)
            write_certificate(path, file.certificate, end)
            log.warning(
                "a certificate for predictions ended: the package's confidence drifted",
                package=file.certificate.package, shift=round(shift, 4), limit=round(drift.limit, 4),
            )  # fmt: skip


PART = PartKind(
    "prediction_watch",
    lambda context: PredictionWatch(context.database, context.settings.node.data_dir),
    StartMoment.WORKING,
)
