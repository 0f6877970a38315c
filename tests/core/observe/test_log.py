"""Log lines say what happened, and never to whom."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import structlog
from pydicom.dataset import Dataset

from miqa_node.core.observe.log import WITHHELD, describe_error, set_up_logging
from miqa_node.core.settings import LogFormat, LogLevel, LogSettings
from miqa_node.errors import DataSetError
from tests.stages.deliver.receiver import receiver

NAME = "Muster^Erika"
LATE = """
from miqa_node.core.observe.log import set_up_logging
from miqa_node.core.settings import load_settings
set_up_logging(load_settings().log)
"""
CHILD = """
from miqa_node.runtime.workers import child
child.set_up()
"""
COMMAND = """
from miqa_node.core import process
process.silence_libraries()
"""


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What was logged since the set-up; logging is put back afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, threading.excepthook, structlog.get_config()
    levels = {
        name: logging.getLogger(name).level
        for name in ("pydicom", "pynetdicom", "dbos", "sqlalchemy", "httpx2", "httpcore2")
    }
    stream = io.StringIO()
    with warnings.catch_warnings():
        set_up_logging(LogSettings(level=LogLevel.INFO, format=LogFormat.AUTO), node="miqa-1", stream=stream)
        yield stream
    root.handlers, threading.excepthook = before[0], before[2]
    root.setLevel(before[1])
    structlog.configure(**before[3])
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_and_node(stream: io.StringIO) -> None:
    structlog.get_logger("miqa_node.pipeline").info("image", verdict="ACCEPT", decode_ms=np.float32(2.5))

    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "image", "verdict": "ACCEPT", "decode_ms": 2.5, "level": "info", "node": "miqa-1"}


def test_libraries_come_out_the_same_way_without_idle_talk(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("socket %s", "closed")
    logging.getLogger("uvicorn.access").info("GET /studies/1.2.3")
    logging.getLogger("pynetdicom.acse").warning("Peer said %s", NAME)
    logging.getLogger("pynetdicom.transport").error("TCP Initialisation Error: [Errno 111] Connection refused")
    logging.getLogger("pydicom").error("Bad value %s", NAME)

    (line,) = lines(stream)
    assert (line["event"], line["node"]) == ("socket closed", "miqa-1")


def test_what_a_peer_sent_is_not_in_the_lines_of_pynetdicom(stream: io.StringIO) -> None:
    """It quotes values, also as the message of an exception, and would log a stack for each."""
    log = logging.getLogger("pynetdicom.association")
    log.error("No supported service class available for the SOP Class UID '%s', please see …", NAME)
    log.error("Invalid 'Affected SOP Class UID' value '%s'", f"{NAME}'s")
    try:
        raise ValueError(NAME)
    except ValueError as error:
        log.exception(error)

    texts = [line["event"] for line in lines(stream)]
    assert texts[:2] == [
        "No supported service class available for the SOP Class UID (withheld), please see …",
        "Invalid 'Affected SOP Class UID' value (withheld)",
    ]
    assert texts[2].startswith(f"ValueError {WITHHELD} at test_log.py:")
    assert NAME not in stream.getvalue()
    assert "exception" not in lines(stream)[2]


def test_no_line_quotes_the_address_of_a_request(stream: io.StringIO) -> None:
    """A webhook's may contain its key, and that of a search a patient; there was a line for each request."""
    logging.getLogger().setLevel(logging.DEBUG)
    with receiver() as server:
        answer = httpx2.get(server.url, params={"key": "hidden", "patient.identifier": NAME})
    assert answer.request.url.params["key"] == "hidden"
    assert lines(stream) == []


@pytest.mark.parametrize(
    "key",
    ["patient", "patient_name", "PatientName", "patient_id", "PatientBirthDate", "accession_number", "StudyDescription",
     "referring_physician_name", "institution_name", "OperatorsName", "dataset", "comment"],
)  # fmt: skip
def test_keys_of_patients_are_dropped_also_in_what_is_nested(stream: io.StringIO, key: str) -> None:
    structlog.get_logger("x").warning("kept", **{key: NAME}, nested={"deeper": [{key: NAME}], "fine": 1})

    assert NAME not in stream.getvalue()
    assert lines(stream)[0]["nested"] == {"deeper": [{}], "fine": 1}


def test_data_sets_are_named_not_printed(stream: io.StringIO) -> None:
    dataset = Dataset()
    dataset.PatientName = NAME

    structlog.get_logger("x").warning("kept", what=dataset, name=dataset.PatientName, several=[dataset])

    line = lines(stream)[0]
    assert (line["what"], line["several"]) == ("<Dataset>", ["<Dataset>"])
    assert NAME not in stream.getvalue()


def test_an_exception_is_logged_with_its_way_but_neither_locals_nor_foreign_texts(stream: io.StringIO) -> None:
    def fail(patient_name: str) -> None:
        try:
            float(patient_name)
        except ValueError as error:
            raise DataSetError("Not a DICOM data set.") from error

    try:
        fail(NAME)
    except DataSetError:
        structlog.get_logger("x").exception("kept")
        logging.getLogger("library").exception("kept too")

    assert NAME not in stream.getvalue()
    for line in lines(stream):
        assert "in fail" in line["exception"]
        assert line["exception"].index(f"ValueError {WITHHELD}") < line["exception"].index("DataSetError: Not a DICOM")


def test_a_thread_that_dies_says_so_without_quoting(stream: io.StringIO) -> None:
    thread = threading.Thread(target=lambda: float(NAME), name="lane")
    thread.start()
    thread.join()

    (line,) = lines(stream)
    assert (line["event"], line["thread"], line["level"]) == ("thread died", "lane", "error")
    assert NAME not in stream.getvalue()


def test_warnings_of_dicom_libraries_are_not_printed(stream: io.StringIO) -> None:
    def warn() -> None:
        Dataset().StudyInstanceUID = f"not a uid {NAME}"

    with warnings.catch_warnings(record=True) as heard:
        warn()
    with warnings.catch_warnings(record=True) as unfiltered:
        warnings.simplefilter("always")
        warn()

    assert NAME in str(unfiltered[0].message), "pydicom does quote the value"
    assert heard == []


class _DriverError(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.orig = Exception(text)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DataSetError("Not DICOM."), "DataSetError: Not DICOM."),
        (FileNotFoundError(2, "No such file"), "FileNotFoundError: [Errno 2] No such file"),
        (OSError(13, "Permission denied", f"/watched/{NAME}.dcm"), "PermissionError: [Errno 13] Permission denied"),
        (ValueError(NAME), f"ValueError {WITHHELD}"),
        (KeyError(NAME), f"KeyError {WITHHELD}"),
        (_DriverError(f"unique constraint failed\nDETAIL: ({NAME})"), "_DriverError: unique constraint failed"),
    ],
)
def test_texts_of_errors(error: Exception, text: str) -> None:
    assert describe_error(error) == text


def test_text_for_people(capsys: pytest.CaptureFixture[str], stream: io.StringIO) -> None:
    set_up_logging(LogSettings(level=LogLevel.WARNING, format=LogFormat.CONSOLE), stream=stream)

    structlog.get_logger("x").info("too quiet")
    structlog.get_logger("x").warning("disk is nearly full", free=Path("/data"))

    assert "too quiet" not in stream.getvalue()
    assert "disk is nearly full" in stream.getvalue()
    assert "free=/data" in stream.getvalue()


def test_a_library_that_is_loaded_later_does_not_choose_its_own_level(stream: io.StringIO) -> None:
    """pydicom sets the level of its logger when it is imported, and its lines quote element values."""
    logging.getLogger("pydicom").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Dataset().PatientBirthDate = f"{NAME} 1.1.1950"
    logging.getLogger("pydicom.filereader").error("Bad value %s", NAME)
    assert stream.getvalue() == ""


@pytest.mark.more
@pytest.mark.parametrize(
    "set_up", [LATE, CHILD, COMMAND], ids=["loaded after the log is set up", "a child", "a command"]
)
def test_no_process_quotes_a_value(set_up: str) -> None:
    program = f"{set_up}\nfrom pydicom.dataset import Dataset\nDataset().PatientBirthDate = '{NAME} 1.1.1950'\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert NAME not in done.stderr + done.stdout
