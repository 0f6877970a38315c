"""Runs targets on many inputs and counts; ``make fuzz`` and the tests take the same way."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import resource
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field

import hypothesis
import structlog
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.mutations import inputs
from tests.fuzz.targets import HANG_S, FuzzTarget, opened
from tests.waiting import wait_until

MAX_GROWTH_BYTES = 512 << 20
"""By how much the process may grow over all inputs of a target."""


@dataclass
class FuzzCount:
    """What became of a target's inputs."""

    target: str
    inputs: int = 0
    slowest_ms: float = 0.0
    grown_mib: float = 0.0
    seconds: float = 0.0
    associations_ended: int = 0
    """By an exception inside pynetdicom."""
    last_failing: str = ""
    """The smallest input that failed, as far as Hypothesis could make it smaller; hexadecimal."""
    failures: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """For a file of results."""
        return {key: round(value, 1) if isinstance(value, float) else value for key, value in asdict(self).items()}


def attempt(target: FuzzTarget, data: bytes, count: FuzzCount) -> None:
    """One input, with the limits of time; what never returns ends the process and shows where it stood."""
    faulthandler.dump_traceback_later(3 * HANG_S, exit=True)
    started = time.perf_counter()
    try:
        target.run(data)
    except Exception:
        count.last_failing = data.hex()[:20_000]
        raise
    finally:
        faulthandler.cancel_dump_traceback_later()
    elapsed = time.perf_counter() - started
    count.inputs += 1
    count.slowest_ms = max(count.slowest_ms, elapsed * 1e3)
    assert elapsed < HANG_S, f"{elapsed:.1f} s for {len(data)} bytes"


def explore(kind: type[FuzzTarget], most: int, seed: int = 0) -> FuzzCount:
    """Structured inputs, made by Hypothesis. The first failure of a target ends its run, with the smallest input."""
    count = FuzzCount(kind.name)
    started, before = time.perf_counter(), _resident()
    with thread_faults(count), opened(kind) as target:

        @hypothesis.seed(seed)
        @settings(
            max_examples=most, deadline=None, database=None, print_blob=False, phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(data=inputs(kind.name))
        def run(data: bytes) -> None:
            attempt(target, data, count)

        try:
            run()
        except Exception as error:
            causes = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
            count.failures += [f"{type(cause).__name__}: {cause}"[:500] for cause in causes]
    count.seconds = time.perf_counter() - started
    count.grown_mib = (_resident() - before) / (1 << 20)
    if _resident() - before > MAX_GROWTH_BYTES:
        count.failures.append(f"the process grew by {count.grown_mib:.0f} MiB")
    return count


@contextlib.contextmanager
def thread_faults(count: FuzzCount) -> Iterator[None]:
    """Record what ends a thread. In pynetdicom it ends an association, which is right for what was sent."""
    before, threads = threading.excepthook, threading.active_count()

    def record(fault: threading.ExceptHookArgs) -> None:
        frames = traceback.extract_tb(fault.exc_traceback)
        if "/pynetdicom/" in frames[-1].filename or "/pydicom/" in frames[-1].filename:
            count.associations_ended += 1
        else:
            count.failures.append(
                f"{fault.exc_type.__name__} in a thread, at {frames[-1].filename}:{frames[-1].lineno}"
            )

    threading.excepthook = record
    try:
        yield
        with suppress(AssertionError):
            wait_until(lambda: threading.active_count() <= threads + 2)
    finally:
        threading.excepthook = before
    if threading.active_count() > threads + 2:
        count.failures.append(f"{threading.active_count() - threads} threads were left behind")


def quiet() -> None:
    """What damaged inputs are logged and warned about is of no interest here, and there is much of it."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _resident() -> int:
    """The largest resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
