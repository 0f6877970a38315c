"""PixelMed's DicomSRValidator, which starts once and then validates in the background while other tools are at work.

Starting it takes most of seven seconds, validating a report one.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

PROGRAM = Path(__file__).with_name("PixelMed.java")
CLASSES = "/usr/share/java/pixelmed.jar"
DONE = "== done =="
COMPLETE = "IOD validation complete"
TIMEOUT_S = 120
MACHINES = 2

# PixelMed's style sheets exceed the limits that Java 17 sets for XPath (error JAXP0801003).
JAVA_LIMITS = [f"-Djdk.xml.xpath{limit}Limit=0" for limit in ("TotalOp", "ExprOp", "ExprGrp")]


class PixelMed:
    """Virtual machines that validate one file at a time each."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(MACHINES, "pixelmed")
        self._asked: dict[Path, Future[str]] = {}
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        atexit.register(self.close)

    def ask(self, path: Path) -> Future[str]:
        """Have a file validated; asking again gives the same answer."""
        if path not in self._asked:
            self._asked[path] = self._pool.submit(self._validate, path)
        return self._asked[path]

    def said(self, path: Path) -> str:
        """Everything that the validator prints of a file; the answer is forgotten then."""
        answer = self.ask(path).result()
        del self._asked[path]
        return answer

    def close(self) -> None:
        """End the machines."""
        self._pool.shutdown()
        with suppress(Empty):
            while True:
                _end(self._idle.get_nowait())

    def _validate(self, path: Path) -> str:
        try:
            process = self._idle.get_nowait()
        except Empty:
            process = _start()
        patience = threading.Timer(TIMEOUT_S, process.kill)
        patience.start()
        try:
            reply, done = _exchange(process, path)
        finally:
            patience.cancel()
        if done:
            self._idle.put(process)
        else:
            _end(process)
            reply.append("Error: it died or ran out of time.")
        return "\n".join(reply)


def _exchange(process: subprocess.Popen[bytes], path: Path) -> tuple[list[str], bool]:
    """What it says of the file, and whether it came to the end."""
    assert process.stdin is not None
    assert process.stdout is not None
    lines: list[str] = []
    with suppress(BrokenPipeError):
        process.stdin.write(f"{path}\n".encode())
        process.stdin.flush()
        # Validators quote the patient's text as it is, in whatever character set.
        for line in process.stdout:
            text = line.decode("latin-1").rstrip("\n")
            if text == DONE:
                return lines, True
            lines.append(text)
    return lines, False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def _start() -> subprocess.Popen[bytes]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    with suppress(KeyError):
        del environment["JAVA_TOOL_OPTIONS"]
    return subprocess.Popen(
        ["/usr/bin/java", *JAVA_LIMITS, "-XX:+UseSerialGC", "-cp", CLASSES, str(PROGRAM), DONE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
    )
