"""Structured logs: one canonical line per image, and no line identifies a patient.

More people read log files than images, and log files leave the hospital in support requests. So everything that could
name a patient is removed here, behind every logger, instead of relying on each caller: keys with patient data are
dropped, objects that are not plain values appear only by type, and error messages that may quote a data set are
withheld.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import date, datetime
from numbers import Real
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from miqa_node import plugins
from miqa_node.core.process import silence_libraries
from miqa_node.core.settings import LogFormat, LogSettings
from miqa_node.errors import MiqaError, place_of

WITHHELD = "(withheld: it may quote a data set)"

PATIENT_KEYS = frozenset(
    {
        "accessionnumber",
        "admissionid",
        "birthdate",
        "comment",
        "dataset",
        "ethnicgroup",
        "filename",
        "institutionname",
        "issuerofpatientid",
        "mothersbirthname",
        "occupation",
        "operatorsname",
        "patient",
        "patientid",
        "patientname",
        "performingphysicianname",
        "physician",
        "referringphysicianname",
        "requestingphysician",
        "studydescription",
        "studyid",
    }
)
"""Keys to drop, as DICOM keyword or in snake_case; all keys that begin with "patient" are dropped, too."""

_LIBRARY_LEVELS: Mapping[str, int] = {
    # Their messages quote element values; third-party outputs may use highdicom.
    "pydicom": logging.CRITICAL,
    "highdicom": logging.CRITICAL,
    "pynetdicom": logging.ERROR,
    "openjpeg": logging.ERROR,
    # Theirs quote whole addresses, which may contain a key or ask for a patient, and headers.
    "httpx2": logging.WARNING,
    "httpcore2": logging.WARNING,
    "dbos": logging.WARNING,
    "alembic": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,
}
_TOLD_BY_US = ("Association request failed", "TCP Initialisation Error")
"""pynetdicom's lines about an unreachable peer: they lack its name, which the node's own line has."""
_QUOTED_VALUE = re.compile(r"\b(value|UID) '.*'", re.DOTALL)
_HARMLESS_TEXTS = (MiqaError, OSError, ImportError, AttributeError, TypeError, NameError, AssertionError, MemoryError)
_MAX_DEPTH = 4


def set_up_logging(settings: LogSettings, *, node: str = "", stream: TextIO | None = None) -> None:
    """Send all loggers of the process, including those of libraries, to ``stream`` (stderr) in the given format."""
    stream = stream if stream is not None else sys.stderr
    console = settings.format is LogFormat.CONSOLE or (settings.format is LogFormat.AUTO and stream.isatty())
    level = logging.getLevelName(settings.level.value.upper())
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        drop_patient_data,
        describe_exception,
    ]
    if node:
        before.insert(0, _NodeName(node))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(stream)
    # Levels of loggers do not suffice: pydicom sets its own when it is imported, which may be after this.
    handler.addFilter(_is_wanted)
    handler.addFilter(_without_values)
    handler.addFilter(lambda record: not record.getMessage().startswith(_TOLD_BY_US))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name, least in _LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(max(least, level))
    silence_libraries()  # the warnings module prints, too
    threading.excepthook = _log_dead_thread


def log_plugins() -> None:
    """Log the third-party plug-ins that this process uses, and those that it cannot use."""
    logger = structlog.get_logger(__name__)
    for one in plugins.of_others():
        origin = {"seam": one.seam, "plugin": one.name, "distribution": one.distribution, "version": one.version}
        if one.unavailable:
            logger.warning("plug-in unavailable", **origin, reason=one.unavailable)
        else:
            logger.info("plug-in loaded", **origin)


def drop_patient_data(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor: drop keys with patient data, and replace values that are not plain by their type's name."""
    clean: EventDict = {}
    for key, value in event.items():
        if not _names_patient_data(key):
            clean[key] = value if key in ("exc_info", "_record", "stack_info") else _plain(value, _MAX_DEPTH)
    return clean


def describe_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor: render ``exc_info`` as frames and types; no local variables, no messages that may quote a data set."""
    info = event.pop("exc_info", None)
    if not info:
        return event
    if isinstance(info, BaseException):
        error: BaseException | None = info
    else:
        error = info[1] if isinstance(info, tuple) else sys.exc_info()[1]
    if error is not None:
        event["exception"] = "\n".join(_lines(error))
    # The handler's record also holds the exception, and the formatter would print it again, in full.
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        record.exc_info = None
        record.exc_text = None
    return event


def describe_error(error: BaseException) -> str:
    """An error without patient data: its type, and its message if that is known to be harmless."""
    name = type(error).__name__
    if isinstance(error, OSError) and error.filename is not None:
        return f"{name}: [Errno {error.errno}] {error.strerror}"  # file names may identify patients
    if isinstance(error, _HARMLESS_TEXTS):
        return f"{name}: {error}"
    driver_error = getattr(error, "orig", None)
    if isinstance(driver_error, BaseException):  # a database driver's: only the lines after the first quote values
        return f"{name}: {(str(driver_error).splitlines() or [''])[0]}"
    return f"{name} {WITHHELD}"


def _is_wanted(record: logging.LogRecord) -> bool:
    """Whether a record of a library has the level that lines of this library need."""
    name = record.name
    return all(record.levelno >= least for one, least in _LIBRARY_LEVELS.items() if f"{name}.".startswith(f"{one}."))


def _without_values(record: logging.LogRecord) -> bool:
    """Keep what a peer sent out of pynetdicom's lines, and the stack: each hostile message would log one."""
    if record.name.partition(".")[0] != "pynetdicom":
        return True
    if isinstance(record.msg, BaseException):
        record.msg, record.exc_info = f"{describe_error(record.msg)} at {place_of(record.msg)}", None
    else:
        record.msg, record.args = _QUOTED_VALUE.sub(r"\1 (withheld)", record.getMessage()), ()
    return True


class _NodeName:
    def __init__(self, node: str) -> None:
        self._node = node

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> MutableMapping[str, Any]:
        event.setdefault("node", self._node)
        return event


def _lines(error: BaseException) -> list[str]:
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        cause = following.__cause__
        following = cause if cause is not None or following.__suppress_context__ else following.__context__
    lines: list[str] = []
    for one in reversed(chain):
        frames = traceback.extract_tb(one.__traceback__)
        lines += [f"  {Path(f.filename).name}:{f.lineno} in {f.name}" for f in frames]
        lines.append(describe_error(one))
    return lines


def _names_patient_data(key: str) -> bool:
    word = key.replace("_", "").lower()
    return word in PATIENT_KEYS or word.startswith("patient")


def _plain(value: object, depth: int) -> object:
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Real):  # NumPy's numbers are not Python numbers
        return float(value)
    if isinstance(value, (datetime, date, Path, BaseException)):
        return describe_error(value) if isinstance(value, BaseException) else str(value)
    if depth and isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {k: _plain(v, depth - 1) for k, v in value.items() if not _names_patient_data(k)}
    if depth and isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one, depth - 1) for one in value]
    return f"<{type(value).__name__}>"


def _log_dead_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or issubclass(args.exc_type, SystemExit):
        return
    thread = args.thread.name if args.thread else "unknown"
    structlog.get_logger(__name__).error("thread died", thread=thread, exc_info=args.exc_value)
