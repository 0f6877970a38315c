"""``make run`` keeps serving after the story; ``make demo`` (``--once``) ends with it and has an exit code."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from miqa_node.demo.launch import NodeProcess, free_ports
from miqa_node.demo.pacs import AE_TITLE, ReceivingPacs
from miqa_node.demo.samples import make_samples
from miqa_node.demo.story import addresses, tell
from miqa_node.errors import MiqaError

NODE_AE_TITLE = "MIQA"
WANTED_PORTS = (11112, 8080, 11113)
"""DICOM and web port of the node, DICOM port of the PACS; others are taken where these are not free."""


def main() -> int:
    """Run the demonstration; 0 when everything went as promised."""
    parser = argparse.ArgumentParser(prog="python -m miqa_node.demo", description=__doc__)
    parser.add_argument("--data-dir", type=Path, help="keep everything here; default is a temporary folder")
    parser.add_argument("--once", action="store_true", help="stop after the story instead of serving until Ctrl-C")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        folder = options.data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="miqa-demo-")))
        try:
            found = run(console, folder.absolute(), stop, keep_serving=not options.once)
        except MiqaError as error:
            found = [str(error)]
    for fault in found:
        console.print(f"[red]FAILED[/red] {fault}", highlight=False)
    if not found:
        console.print("[green]Everything went as promised.[/green]")
    return 1 if found else 0


def run(console: Console, folder: Path, stop: threading.Event, *, keep_serving: bool) -> list[str]:
    """Start the PACS and the node, tell the story, serve if asked to, and stop both; what went wrong."""
    samples = make_samples()
    dicom_port, web_port, pacs_port = free_ports(WANTED_PORTS)
    with ReceivingPacs(folder / "pacs", pacs_port) as pacs:
        destination = f"{AE_TITLE}={AE_TITLE}@127.0.0.1:{pacs.port}"
        with NodeProcess(folder / "node", NODE_AE_TITLE, dicom_port, web_port, destination) as node:
            console.print(f"A node starts as [bold]{node.command}", highlight=False)
            found = tell(console, node, pacs, samples)
            console.print(addresses(node, pacs))
            if keep_serving and not stop.is_set():
                for fault in found:
                    console.print(f"[red]FAILED[/red] {fault}", highlight=False)
                console.print("Serving until Ctrl-C.")
                while node.running() and not stop.wait(1.0):
                    pass
                if not node.running():
                    found.append(f"The node ended by itself.\n{node.last_lines()}")
                console.print("Stopping.")
            if node.running() and (code := node.stop()) != 0:
                found.append(f"The node did not stop cleanly: exit code {code}.\n{node.last_lines()}")
    return found


if __name__ == "__main__":
    sys.exit(main())
