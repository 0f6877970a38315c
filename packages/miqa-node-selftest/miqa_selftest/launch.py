"""Starts a real node as a child process, as an administrator would, and reads its results over REST."""

from __future__ import annotations

import errno
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from miqa_node.core.keys.secret_files import identity_of
from miqa_node.errors import MiqaError, SettingsError
from miqa_node.runtime.work.served_ports import DICOM, WEB, port_of

HOST = "127.0.0.1"
START_LIMIT_S = 180.0
STOP_LIMIT_S = 30.0
REQUEST_LIMIT_S = 10.0
LOG_LINES_SHOWN = 15
HTTP_OK, HTTP_UNAUTHORIZED, HTTP_NOT_FOUND = 200, 401, 404
ACCOUNT, EXIT_CONFLICT = "demo", 4
IN_USE = os.strerror(errno.EADDRINUSE)


_WITH_ITS_STARTER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""Starts a program that the system stops when the process ends that started it (PR_SET_PDEATHSIG), also by kill -9."""


class NodeProcess:
    """``miqa-node run`` in its own process; its log lines go to ``node.log`` in the data directory.

    It ends with this process. Start it in a thread that lives as long.
    """

    def __init__(
        self, data_dir: Path, ae_title: str, dicom_port: int, web_port: int, destination: str = "", role: str = "all",
        more: Sequence[str] = (), environment: Mapping[str, str] | None = None, start_limit_s: float = START_LIMIT_S,
        any_port: bool = False,
    ) -> None:  # fmt: skip
        """A port of 0 is any free one, and with ``any_port`` others will do if these are taken.

        ``dicom_port`` and ``web_port`` are those that the node has bound, once it runs.
        """
        self._any_port = any_port
        self.ae_title = ae_title
        self.dicom_port = dicom_port
        self.web_port = web_port
        self.log_file = data_dir / "node.log"
        self._data_dir = data_dir
        self._headers: dict[str, str] = {}
        self._options = [
            *("run", "--data-dir", str(data_dir), "--ae-title", ae_title),
            *(("--destination", destination) if destination else ()),
            *(() if role == "all" else ("--role", role)),
            *more,
        ]
        self._start_limit_s = start_limit_s
        # What a test or a demonstration sends is needed to its end, also on a disk that is nearly full; and it shows
        # what the policy's limits say, as its rooms have no images from which they could learn their own.
        own = {"MIQA_RETENTION__ENABLED": "false", "MIQA_POLICY__LEARN_IMAGES": "0"}
        self._environment = {**own, **os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> str:
        """The command line that starts the same node."""
        return " ".join(["miqa-node", *self._arguments()])

    def start(self) -> None:
        """Return when the node is ready; MiqaError with its last log lines if it does not start."""
        try:
            self._start()
        except MiqaError as error:
            if not self._any_port or IN_USE not in str(error):
                raise
            self.dicom_port = self.web_port = 0
            self._start()

    def _start(self) -> None:
        program = Path(sys.executable).with_name("miqa-node")
        if not program.exists():
            raise SettingsError(f"{program} is missing: install miqa-node into the environment of {sys.executable}.")
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        if not self.web_port:  # what an earlier start noted
            for which in (WEB, DICOM):
                (self._data_dir / which).unlink(missing_ok=True)
        with self.log_file.open("ab") as log:
            # A separate session: Ctrl-C reaches only the program that started it, which then stops the node.
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [*self._starter(), program, *self._arguments()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self._environment,
            )
        until = time.monotonic() + self._start_limit_s
        while not self._ready():
            if self._process.poll() is not None:
                raise MiqaError(f"The node ended with exit code {self._process.returncode}.\n{self.last_lines()}")
            if time.monotonic() > until:
                self.stop()
                raise MiqaError(f"The node was not ready after {self._start_limit_s:g} s.\n{self.last_lines()}")
            time.sleep(0.1)
        if self._get("/api/v1/worklist?limit=1")[0] == HTTP_UNAUTHORIZED:
            self._headers = {"Authorization": f"Bearer {self._new_token()}"}

    def stop(self) -> int:
        """Ask the node to stop, and return its exit code; -9 if it had to be killed."""
        process = self._process
        if process is None:
            return 0
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    @property
    def pid(self) -> int:
        """The process ID; 0 if it was not started."""
        return 0 if self._process is None else self._process.pid

    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.running():
            self.stop()

    def instance(self, sop_instance_uid: str) -> dict[str, Any] | None:
        """The node's data on an image; None while it has none."""
        status, document = self._get(f"/api/v1/instances/{sop_instance_uid}")
        if status == HTTP_NOT_FOUND:
            return None
        if status != HTTP_OK:
            raise MiqaError(f"GET /api/v1/instances answered {status}.")
        newest: dict[str, Any] = document["instances"][-1]
        return newest

    def worklist(self) -> list[dict[str, Any]]:
        """All flagged studies, newest first."""
        status, document = self._get("/api/v1/worklist?limit=1000")
        if status != HTTP_OK:
            raise MiqaError(f"GET /api/v1/worklist answered {status}.")
        items: list[dict[str, Any]] = document["items"]
        return items

    def last_lines(self) -> str:
        """The end of the node's log."""
        lines = self.log_file.read_text("utf-8", "replace").splitlines()
        return "\n".join(lines[-LOG_LINES_SHOWN:])

    def _arguments(self) -> list[str]:
        return [*self._options, "--dicom-port", str(self.dicom_port), "--web-port", str(self.web_port)]

    def _starter(self) -> list[str]:
        return [sys.executable, "-S", "-c", _WITH_ITS_STARTER, str(os.getpid())] if sys.platform == "linux" else []

    def _ready(self) -> bool:
        """Whether this node answers: another one at its port, or another program, names another data folder or none."""
        web_port, dicom_port = (port_of(self._data_dir, which) for which in (WEB, DICOM))
        self.web_port, self.dicom_port = self.web_port or web_port, self.dicom_port or dicom_port
        if not self.web_port:
            return False
        try:
            status, document = self._get("/readyz")
        except (OSError, ValueError, http.client.HTTPException):
            return False
        name = document.get("node") if isinstance(document, dict) else None
        return status == HTTP_OK and name == identity_of(self._data_dir)

    def _new_token(self) -> str:
        """A new token, for a node of an earlier run whose owner has created accounts in the meantime."""
        program = [str(Path(sys.executable).with_name("miqa-node")), "users"]
        where = ["--data-dir", str(self._data_dir)]
        made = subprocess.run(  # noqa: S603 - our own program
            [*program, "add", ACCOUNT, "--role", "service", *where], capture_output=True, check=False
        )
        if made.returncode not in (0, EXIT_CONFLICT):
            raise MiqaError(f"The account {ACCOUNT} cannot be made: {made.stderr.decode()}")
        token = subprocess.run(  # noqa: S603
            [*program, "token", "add", ACCOUNT, "--days", "1", *where], capture_output=True, check=True
        )
        return token.stdout.decode().strip()

    def _get(self, path: str) -> tuple[int, Any]:
        with closing(http.client.HTTPConnection(HOST, self.web_port, timeout=REQUEST_LIMIT_S)) as connection:
            connection.request("GET", path, headers=self._headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"null")


def free_port(*preferred: int) -> int:
    """The first free port of ``preferred``, else any free port."""
    for port in (*preferred, 0):
        with closing(socket.socket()) as probe:
            # As servers do: a port whose last connection has just closed counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SettingsError(f"No port of {HOST} is free.")


def free_ports(preferred: Sequence[int]) -> list[int]:
    """One free port for each of ``preferred``, all different."""
    ports: list[int] = []
    for port in preferred:
        candidate = free_port(port)
        while candidate in ports:
            candidate = free_port()
        ports.append(candidate)
    return ports
