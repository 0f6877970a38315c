"""``make run`` keeps serving after the story; ``make demo`` (``--once``) ends with it and has an exit code."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from demo.progress import doing
from demo.samples import make_samples
from demo.site.kept import SIZES, copied, made
from demo.site.making import NOBODY_LISTENS, write_destinations
from demo.site.people import PASSWORD
from demo.story import addresses, next_steps, tell
from miqa_node.core.domain.delivery import REJECTION
from miqa_node.core.domain.output import default_kinds
from miqa_node.core.files.held_folder import hold
from miqa_node.errors import MiqaError
from miqa_selftest.launch import HOST, NodeProcess
from miqa_selftest.pacs import AE_TITLE, ReceivingPacs

NODE_AE_TITLE = "MIQA"
WANTED_PORTS = (11112, 8080, 11113)
"""DICOM and web port of the node, DICOM port of the PACS; if one is in use, any free one takes its place."""


def main() -> int:
    """Run the demonstration; return 0 if everything went as promised."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--data-dir", type=Path, help="keep everything here; default is a temporary folder")
    parser.add_argument("--once", action="store_true", help="stop after the story instead of serving until Ctrl-C")
    parser.add_argument("--site", choices=[*SIZES], help="serve a site after two months instead of telling the story")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, lambda *_: _hang_up(stop))
    with ExitStack() as stack:
        folder = options.data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="miqa-demo-")))
        if folder is not options.data_dir:
            hold(folder)
        try:
            if options.site:
                clean = serve_site(console, folder.absolute() / options.site, options.site, stop)
            else:
                clean = run(console, folder.absolute(), stop, keep_serving=not options.once)
        except (MiqaError, OSError) as error:
            clean = show(console, [str(error)])
    return 0 if clean else 1


def _hang_up(stop: threading.Event) -> None:
    """The terminal is gone: end as with Ctrl-C, and print to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for fd in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(nowhere, fd)
    stop.set()


def run(console: Console, folder: Path, stop: threading.Event, *, keep_serving: bool) -> bool:
    """Start the PACS and the node, run the story, serve on request, and stop both; return whether all went well."""
    with doing("Making the radiographs that a modality will send"):
        samples = make_samples()
    dicom_port, web_port, pacs_port = WANTED_PORTS
    with ReceivingPacs(folder / "pacs", pacs_port) as pacs:
        write_destination(folder / "node", pacs.port)
        # A short delay, so users see the rejection note arrive; real nodes wait in case a person changes the decision.
        for_show = {"MIQA_DICOM__HOST": HOST, "MIQA_DELIVER__REJECTION_DELAY_S": "5"}
        node = NodeProcess(folder / "node", NODE_AE_TITLE, dicom_port, web_port, environment=for_show, any_port=True)
        with ExitStack() as running:
            console.print(f"A node starts as [bold]{node.command}", highlight=False)
            with doing("It makes its tables, starts its workers and checks its models"):
                running.enter_context(node)
            used = node.dicom_port, node.web_port, pacs.port
            pairs = zip(used, WANTED_PORTS, strict=True)
            if others := [f"{port} in place of {usual}" for port, usual in pairs if port != usual]:
                console.print(f"[yellow]Another program has usual ports.[/yellow] Here: {', '.join(others)}.")
            clean = show(console, tell(console, node, pacs, samples))
            if clean:
                console.print("[green]Everything went as promised.[/green]")
            console.print(addresses(node, pacs))
            if keep_serving:
                console.print(next_steps(node))
                console.print("Serving until Ctrl-C.")
                while node.running() and not stop.wait(1.0):
                    pass
                console.print("Stopping.")
            clean &= show(console, finish(node))
    return clean


def serve_site(console: Console, folder: Path, size: str, stop: threading.Event) -> bool:
    """Serve a copy of the site in ``folder``, that of an earlier run if there is one; return whether it ended well."""
    if not folder.exists():
        with doing("Copying the site; a node makes it first unless one was made with these models"):
            copied(made(size), folder)
    dicom_port, web_port, pacs_port = WANTED_PORTS
    with ReceivingPacs(folder / "pacs", pacs_port) as pacs:
        write_destinations(folder, pacs.port, NOBODY_LISTENS)
        settings = {"MIQA_DICOM__HOST": HOST}
        node = NodeProcess(folder, NODE_AE_TITLE, dicom_port, web_port, environment=settings, any_port=True)
        with doing("A node starts with it"):
            node.start()
        return _serve_until(console, node, folder, stop)


def _serve_until(console: Console, node: NodeProcess, folder: Path, stop: threading.Event) -> bool:
    console.print(f"Open http://localhost:{node.web_port}/ and sign in as ada or mara with the password: {PASSWORD}")
    console.print(
        f"Everything is in {folder}; remove that folder to begin anew. Serving until Ctrl-C.", highlight=False
    )
    while node.running() and not stop.wait(1.0):
        pass
    return show(console, finish(node))


def write_destination(data_dir: Path, port: int) -> None:
    """Configure the PACS as a destination that also takes rejection notes, so users can see them arrive."""
    kinds = ", ".join(f'"{kind}"' for kind in (*sorted(default_kinds()), REJECTION))
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / "destinations.toml").write_text(
        f'[[destination]]\nname = "{AE_TITLE}"\nae_title = "{AE_TITLE}"\nhost = "{HOST}"\nport = {port}\n'
        f"objects = [{kinds}]\n",
        "utf-8",
    )


def finish(node: NodeProcess) -> list[str]:
    """Stop the node; return the faults of its end."""
    if not node.running():
        return [f"The node ended unexpectedly.\n{node.last_lines()}"]
    code = node.stop()
    return [f"The node did not stop cleanly: exit code {code}.\n{node.last_lines()}"] if code else []


def show(console: Console, faults: list[str]) -> bool:
    """Print the faults; True if there are none."""
    for fault in faults:
        console.print("[red]FAILED[/red]", escape(fault), highlight=False)
    return not faults
