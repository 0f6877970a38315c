"""``miqa-node run``: the node itself, until it is stopped."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal, Self

import typer

from miqa_node.core.domain.network import authority
from miqa_node.core.domain.role import NodeRole
from miqa_node.core.files.held_folder import sweep
from miqa_node.core.observe.log import set_up_logging
from miqa_node.core.observe.traces import set_up_traces
from miqa_node.core.process import begin_loading, end_loading
from miqa_node.core.settings import Settings
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.full_disk import wait_for_room
from miqa_node.interfaces.cli.options import ConfigFile, DataDir, settings_of
from miqa_node.isolation.early import start_loading
from miqa_node.runtime.work.served_ports import DICOM, note_port

SET_UP_FILE = "set-up-link"
ENDING = (signal.SIGINT, signal.SIGTERM)
STOP_S = 45.0
"""A node that cannot heal itself ends after this time at the latest; less than TimeoutStopSec of the service."""


def run(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    role: Annotated[
        Literal["all", "receive", "work", "web"],
        typer.Option(
            metavar="all|receive|work|web",
            help="Which parts run in this process; several processes share one database and object store.",
        ),
    ] = "all",
    dicom_port: Annotated[
        int | None, typer.Option(metavar="PORT", min=0, max=65535, help="Port of the storage SCP (dicom.port).")
    ] = None,
    web_port: Annotated[
        int | None, typer.Option(metavar="PORT", min=0, max=65535, help="Port of pages and REST (web.port).")
    ] = None,
    ae_title: Annotated[
        str | None, typer.Option(metavar="AET", help="The node's application entity title (dicom.ae_title).")
    ] = None,
    destination: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=WHERE",
            help="A destination besides those of the destinations file: AET@HOST:PORT, an http(s) address or a folder; "
            "repeatable.",
        ),
    ] = None,
) -> None:
    """Receive, assess, report and deliver until Ctrl-C or SIGTERM."""
    begin_loading()
    os.umask(0o027)  # what is written outside of data_dir, such as delivered files, is for the node's group at most
    settings = settings_of(config, data_dir, dicom={"port": dicom_port, "ae_title": ae_title}, web={"port": web_port})
    set_up_logging(settings.log, node=settings.node.name)
    hopeless = threading.Event()
    with StopSignal() as stop:
        wait_for_room(settings, NodeRole(role), stop.wait)
        if not stop.is_set():
            _run(settings, NodeRole(role), destination or (), stop, hopeless)
    if hopeless.is_set():
        raise typer.Exit(Exit.HOPELESS)


def _run(settings: Settings, role: NodeRole, flags: Sequence[str], stop: StopSignal, hopeless: threading.Event) -> None:
    sweep()  # what killed processes have left
    if role.works:
        start_loading(settings)
    # The workers' models are loaded at the same time as these.
    from miqa_node.isolation.receiving import receiver_forks

    fork = receiver_forks(settings, role)  # before there are threads, and memory that it does not need
    from miqa_node.interfaces.web.set_up import set_up_link
    from miqa_node.node import Node
    from miqa_node.stages.deliver.destinations import parse_flag

    destinations = [parse_flag(text) for text in flags]
    end_traces = set_up_traces(settings.telemetry, settings.node.name)

    def end(_reason: str) -> None:
        hopeless.set()
        _end_within(STOP_S)
        stop.set()

    with Node(settings, destinations, role, end, fork) as node:
        end_loading()
        if node.role.receives:
            typer.echo(f"DICOM {settings.dicom.ae_title}@{authority(settings.dicom.host, node.dicom_port)}")
            note_port(settings.node.data_dir, node.dicom_port, DICOM)
        typer.echo(f"web   {settings.web.address(node.web_port)}/")
        typer.echo(f"health http://{authority(settings.web.shown_host, node.health_port)}/readyz")
        if node.role.serves:
            note_port(settings.node.data_dir, node.web_port)
        link = set_up_link(node.database, settings, role, node.web_port)
        _show_set_up_link(link, settings.node.data_dir / SET_UP_FILE)
        stop.wait()
        typer.echo("stopping")
    end_traces()


def _end_within(seconds: float) -> None:
    """What hangs may also keep the node from stopping in order."""
    timer = threading.Timer(seconds, lambda: os._exit(Exit.HOPELESS))
    timer.daemon = True
    timer.start()


def _show_set_up_link(link: str, file: Path) -> None:
    """To the person at the terminal; else into a file for the node's user, as what a service prints is read by many."""
    file.unlink(missing_ok=True)
    if not link:
        return
    if sys.stdout.isatty():
        typer.echo(f"set up {link}")
    else:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as out:
            out.write(f"{link}\n")
        typer.echo(f"set up the address in {file}")
    typer.echo("       opens once, for the first account; until then the pages answer to this host only")


class StopSignal:
    """Set by the first Ctrl-C or SIGTERM, or from any thread; the second signal stops the program at once.

    A main thread that waits for an Event hears nothing of a signal that another thread took, or that arrived just
    before it fell asleep: Python runs handlers in the main thread only, once that runs again. Here the system's part of
    the signal writes into a socket, which wakes it in any case.
    """

    def __init__(self) -> None:
        """To be called in the main thread."""
        self._is_set = False
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in ENDING:
            signal.signal(number, self._on_signal)

    def __enter__(self) -> Self:
        """Wait for signals."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nobody waits any more; a signal then stops the program at once."""
        signal.set_wakeup_fd(-1)
        for number in ENDING:
            signal.signal(number, signal.SIG_DFL)
        self._reader.close()
        self._writer.close()

    def set(self) -> None:
        """Let the main thread go on; callable from any thread."""
        self._is_set = True
        with suppress(OSError):  # full, so there is enough to wake it, or closed
            self._writer.send(b"\0")

    def is_set(self) -> bool:
        """Whether the node has to stop."""
        return self._is_set

    def wait(self, limit_s: float | None = None) -> bool:
        """Block until it is set, at most for so long; whether it is. To be called in the main thread."""
        self._reader.settimeout(limit_s)
        with suppress(TimeoutError):
            while not self._is_set:
                self._reader.recv(1)
        return self._is_set

    def _on_signal(self, number: int, _frame: object) -> None:
        self.set()
        signal.signal(number, signal.SIG_DFL)
