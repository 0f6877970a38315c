"""Asks a destination on trial for storage commitment of what it took, and waits for the report (PS3.4 J.3).

An archive reports on the association of the request, or on one that it opens to the node's port. While no node runs,
the trial listens there in its place, and takes nothing but reports.
"""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from miqa_node.core.domain.delivery import CommitmentReport
from miqa_node.core.domain.dimse_status import in_words
from miqa_node.core.settings import Settings
from miqa_node.errors import CommitmentUnsupportedError, DeliveryError, MiqaError, ResourcesError
from miqa_node.stages.deliver.commitment import read_report
from miqa_node.stages.deliver.kinds.base import Destination
from miqa_node.stages.receive.commitment import Commitment as CommitmentService
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.scp import StorageScp
from miqa_selftest.trial_answers import Commitment, DestinationTrial

SAME_ASSOCIATION_S = 10.0
"""Longest wait where only a report on the association of the request can be seen."""

Reports = queue.SimpleQueue[CommitmentReport]


def ask_commitment(
    destination: Destination, trial: DestinationTrial, settings: Settings, reports: Reports, limit_s: float
) -> None:
    """Ask for all objects that arrived, and note what the report says of each; ``limit_s`` is for the report."""
    transaction_uid = f"2.25.{uuid.uuid4().int}"
    with _listening(settings, trial, reports) as problem:
        try:
            destination.request_commitment(transaction_uid, [one.pair for one in trial.arrivals])
        except DeliveryError as error:
            has_none = isinstance(error, CommitmentUnsupportedError)
            _all(trial, Commitment.REFUSED if has_none else Commitment.NO_REPORT)
            trial.notes.append(str(error))
            return
        report = _wait(reports, transaction_uid, min(limit_s, SAME_ASSOCIATION_S) if problem else limit_s)
    if report is None:
        _all(trial, Commitment.UNSEEN if problem else Commitment.NO_REPORT)
        if problem:
            problem += f" If the node has that port, its log says whether transaction {transaction_uid} is complete."
        missing = (
            f"Does the archive have the AE title, address and port ({settings.dicom.port}) of this node, and does"
            " dicom.allowed_peers have the archive?"
        )
        trial.notes.append(f"Storage commitment was requested and not reported. {problem or missing}")
        return
    reasons = dict(report.failed)
    for one in trial.arrivals:
        uid = one.pair[1]
        if uid in reasons:
            one.commitment = Commitment.LACKING
            one.remarks.append(f"Storage commitment failed with {in_words(reasons[uid])}.")
        else:
            one.commitment = Commitment.KEPT if uid in report.kept else Commitment.NO_REPORT


def _all(trial: DestinationTrial, commitment: Commitment) -> None:
    for one in trial.arrivals:
        one.commitment = commitment


def _wait(reports: Reports, transaction_uid: str, limit_s: float) -> CommitmentReport | None:
    until = time.monotonic() + limit_s
    while (left_s := until - time.monotonic()) > 0:
        try:
            report = reports.get(timeout=left_s)
        except queue.Empty:
            return None
        if report.transaction_uid == transaction_uid:
            return report
    return None


@contextmanager
def _listening(settings: Settings, trial: DestinationTrial, reports: Reports) -> Iterator[str]:
    """Listen at the node's port; gives the reason if that is not possible, most often because the node runs."""
    calling = getattr(trial.config, "calling_ae_title", None) or settings.dicom.ae_title
    # Never share the port of a running node: its images would come here.
    dicom = settings.dicom.model_copy(update={"shared_port": False, "ae_title": calling})
    service = CommitmentService(_refuse, lambda: None, lambda kind, report: reports.put(read_report(kind, report)))
    with TemporaryDirectory(prefix="miqa-selftest-") as folder:
        intake = Intake.of(dicom, Path(folder), _refuse, _refuse_now)
        scp = StorageScp(dicom, intake, commitment=service)
        try:
            scp.start()
        except (OSError, MiqaError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            yield (
                f"An archive that reports on an association of its own reports to port {dicom.port}, where this trial"
                f" cannot listen ({why}): try again while no node runs."
            )
            return
        try:
            yield ""
        finally:
            scp.stop()


def _refuse(*_arguments: Any) -> None:
    raise ResourcesError("This is the trial of a destination, which keeps nothing.")


_refuse_now: Callable[[], None] = _refuse
