"""Asks a destination on trial what it has of the test study, and whether it is what was sent, by C-FIND or QIDO-RS.

Values that come back are compared with those that were sent. An empty one says nothing: archives need not return it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from miqa_node.errors import ClassRefusedError, DeliveryError, DeliveryRefusedError
from miqa_node.stages.deliver.kinds.base import Destination
from miqa_node.stages.deliver.kinds.folder import FolderConfig
from miqa_selftest.trial_answers import AttributeChange, DestinationTrial, ObjectTrial, Search, Storage

PAUSE_S = 1.0
"""Between two searches for what an archive has taken and does not list yet."""
SERVICES = {"cstore": "C-FIND", "stow": "QIDO-RS", "folder": "a look into the folder"}
STUDY = (
    *("StudyInstanceUID", "PatientID", "PatientName", "PatientSex", "AccessionNumber", "StudyDate", "StudyID"),
    "StudyDescription",
)
SERIES = ("SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription")
IMAGE = ("SOPInstanceUID", "SOPClassUID", "InstanceNumber")
_PERSONAL = frozenset({"PatientID", "PatientName", "AccessionNumber", "StudyID", "StudyDescription"})
"""Where an archive took the test patient for another one, these would be that one's."""


def search_all(destination: Destination, trial: DestinationTrial, until: float) -> None:
    """Search for every object that arrived, again until ``until`` (``time.monotonic``), and note what has changed."""
    if isinstance(trial.config, FolderConfig):
        _look_into(Path(trial.config.folder), trial)
        return
    trial.search_service = SERVICES.get(trial.config.kind, "search")
    try:
        study = _wait_for_study(destination, trial, until)
    except DeliveryRefusedError as error:
        why = "it answers no C-FIND" if isinstance(error, ClassRefusedError) else str(error).rstrip(".")
        trial.search_service = ""
        trial.notes.append(f"Not searched: {why}. Whether it keeps what it took, only its own pages can tell.")
        return
    except DeliveryError as error:
        _all(trial.arrivals, Search.FAILED)
        trial.notes.append(f"The search for the study failed: {error}")
        return
    _all(trial.arrivals, Search.ABSENT)
    if study is None:
        trial.notes.append("A search finds no such study: neither its UID, nor the patient, nor the accession number.")
        return
    trial.changes = _changes(trial.study.header, study, STUDY)
    _search_objects(destination, trial, study["StudyInstanceUID"], until)
    for one in trial.arrivals:
        if one.search is not Search.ABSENT and (trial.changes or one.changes):
            one.storage = Storage.COERCED


def _wait_for_study(destination: Destination, trial: DestinationTrial, until: float) -> dict[str, str] | None:
    while (match := _study(destination, trial.study.header)) is None and time.monotonic() < until:
        time.sleep(PAUSE_S)
    return match


def _study(destination: Destination, header: Dataset) -> dict[str, str] | None:
    """The study by its UID, or by what else names it, as an archive may give it other UIDs or another patient."""
    for keyword in ("StudyInstanceUID", "PatientID", "AccessionNumber"):
        value = str(header.get(keyword))
        for match in destination.search("STUDY", {**dict.fromkeys(STUDY, ""), keyword: value}):
            if match[keyword] == value and match["StudyInstanceUID"]:
                return match
    return None


def _search_objects(destination: Destination, trial: DestinationTrial, study_uid: str, until: float) -> None:
    waiting = trial.arrivals
    try:
        while waiting:
            waiting = [one for one in waiting if not _find(destination, study_uid, one)]
            if not waiting or time.monotonic() >= until:
                break
            time.sleep(PAUSE_S)
    except DeliveryError as error:
        _all(waiting, Search.NOT_ASKED)
        trial.notes.append(f"The study was found; single objects cannot be searched for: {error}")
    try:
        series = destination.search("SERIES", {"StudyInstanceUID": study_uid, **dict.fromkeys(SERIES, "")})
    except DeliveryError as error:
        trial.notes.append(f"The study was found; its series cannot be searched for: {error}")
        return
    by_uid = {one["SeriesInstanceUID"]: one for one in series}
    for one in trial.arrivals:
        one.changes += _changes(one.header, by_uid.get(str(one.header.SeriesInstanceUID), {}), SERIES)


def _find(destination: Destination, study_uid: str, one: ObjectTrial) -> bool:
    uid = str(one.header.SOPInstanceUID)
    keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": str(one.header.SeriesInstanceUID)}
    matches = destination.search("IMAGE", {**keys, **dict.fromkeys(IMAGE, ""), "SOPInstanceUID": uid})
    match = next((match for match in matches if match["SOPInstanceUID"] == uid), None)
    if match is None:
        return False
    one.search, one.changes = Search.PRESENT, _changes(one.header, match, IMAGE)
    return True


def _look_into(folder: Path, trial: DestinationTrial) -> None:
    """A file that is gone was taken by the program behind the folder: it was there when it got its name."""
    trial.search_service = SERVICES["folder"]
    for one in trial.arrivals:
        is_there = (folder / f"{one.header.SOPInstanceUID}.dcm").exists()
        one.search = Search.PRESENT if is_there else Search.NOT_ASKED
        if not is_there:
            one.remarks.append("The file is gone: the program behind the folder has taken it.")


def _all(objects: Sequence[ObjectTrial], search: Search) -> None:
    for one in objects:
        one.search = search


def _changes(header: Dataset, match: dict[str, str], keywords: Sequence[str]) -> list[AttributeChange]:
    pairs = ((keyword, str(header.get(keyword, "")), match.get(keyword, "")) for keyword in keywords)
    return [
        AttributeChange(keyword, sent, now if keyword not in _PERSONAL or "TEST" in now.upper() else "")
        for keyword, sent, now in pairs
        if now and _plain(now) != _plain(sent)
    ]


def _plain(value: str) -> str:
    """Without what has no meaning: padding, empty components of a name, zeros before a number."""
    value = value.strip(" \0").rstrip("^")
    return str(int(value)) if value.isdecimal() else value
