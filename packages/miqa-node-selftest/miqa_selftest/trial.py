"""Tries a destination: sends it the objects of a test study, and asks back what it keeps of each, and how.

Objects go as those of a lane do: in the form of the destination's profile, at its pace, and a report whose class is
refused in the next lower one. Nothing is written into the node's database.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import closing

from miqa_node.core.settings import Settings
from miqa_node.errors import ClassRefusedError, DeliveryRefusedError, ReportError
from miqa_node.interfaces.cli.output import error_text
from miqa_node.stages.deliver.form import in_form
from miqa_node.stages.deliver.kinds.base import DeliveryContext, Destination, ObjectsConfig, connect
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from miqa_node.stages.deliver.pace import Pace
from miqa_node.stages.report.lower import lower_class
from miqa_selftest.trial_answers import STATUS, DestinationTrial, ObjectTrial, Storage
from miqa_selftest.trial_commitment import Reports, ask_commitment
from miqa_selftest.trial_search import search_all
from miqa_selftest.trial_study import TrialStudy, read_elements

MOST_FAILURES = 2
"""Objects that cannot be sent, one after the other, after which no other is tried: nobody is there."""


def run_trial(
    config: ObjectsConfig, study: TrialStudy, settings: Settings, limit_s: float, *, commit: bool
) -> DestinationTrial:
    """Send, search and ask for storage commitment; searches and the report may take ``limit_s`` each.

    ``commit`` asks for commitment also where the destination does not set it.
    """
    objects = [ObjectTrial(one, one.header, config.takes(one.kind)) for one in study.objects]
    trial = DestinationTrial(config, study, objects)
    reports = Reports()
    context = DeliveryContext(settings.deliver, settings.dicom.ae_title, reports.put)
    with closing(connect(config, context)) as destination:
        _send_all(destination, trial, context)
        if not trial.arrivals:
            return trial
        destination.close()  # some archives, such as DCMTK's storescp, serve one association at a time
        search_all(destination, trial, time.monotonic() + limit_s)
        destination.close()
        if commit or config.asks_commitment:
            ask_commitment(destination, trial, settings, reports, limit_s)
        elif isinstance(config, CStoreConfig):
            trial.notes.append(
                "Storage commitment was not asked for: the destination does not set commitment = true. The option"
                " --commitment asks all the same."
            )
        else:
            trial.notes.append(f"Storage commitment was not asked for. {destination.no_commitment}")
    return trial


def _send_all(destination: Destination, trial: DestinationTrial, context: DeliveryContext) -> None:
    pace, failures = Pace(trial.config.objects_per_s), 0
    for one in trial.objects:
        if failures == MOST_FAILURES:
            one.remarks.append("Those before it could not be sent.")
            continue
        pace.allows(math.inf, threading.Event())
        _send(destination, trial.config, context, one)
        failures = failures + 1 if one.storage is Storage.FAILED else 0


def _send(destination: Destination, config: ObjectsConfig, context: DeliveryContext, one: ObjectTrial) -> None:
    """Send one object, a report in lower and lower classes until one is taken."""
    file: bytes | None = one.item.data
    while file is not None:
        one.header = read_elements(file)
        try:
            note = destination.send_one(*one.pair, in_form(config, file, context))
        except Exception as error:  # noqa: BLE001 - as in a lane: one object must not stop the others
            text = error_text(error)
            is_answer = isinstance(error, DeliveryRefusedError) or STATUS.search(text)
            one.storage = Storage.REFUSED if is_answer else Storage.FAILED
            one.remarks.append(text[:1].upper() + text[1:])
            file = _lower(file) if isinstance(error, ClassRefusedError) else None
        else:
            is_lower = one.header.SOPClassUID != one.item.header.SOPClassUID
            one.remarks = [f"Taken as {one.header.SOPClassUID.name}, not in its own class."] if is_lower else []
            one.remarks += [note] if note else []
            one.storage = Storage.COERCED if note else Storage.STORED
            return
    one.header, one.remarks = one.item.header, one.remarks[:1]


def _lower(file: bytes) -> bytes | None:
    try:
        lower = lower_class(file)
    except ReportError:
        return None
    return lower[2] if lower else None
