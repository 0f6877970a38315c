"""``make viewer``: the demonstration's images and results in the OHIF viewer, for a person, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from rich.console import Console

from demo.samples import make_samples
from demo.viewer.archive import archive
from demo.viewer.package import viewer_files
from demo.viewer.site import site
from miqa_node.errors import MiqaError
from miqa_selftest.launch import free_ports

WANTED_PORTS = (3000, 8042)
"""Ports of the viewer and of the archive; a port in use is replaced by a free one."""


def main() -> int:
    """Show the results; return 0 after a normal stop, 1 if it could not start."""
    parser = argparse.ArgumentParser(prog="python -m demo.viewer", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="where `make run` keeps the demonstration")
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        show(Console(soft_wrap=True, highlight=False), options.data_dir.absolute(), stop)
    except MiqaError as error:
        Console(soft_wrap=True, stderr=True, markup=False, highlight=False).print(error)
        return 1
    return 0


def show(console: Console, folder: Path, stop: threading.Event) -> None:
    """Serve the viewer with the results in ``folder`` until ``stop``; if there are none, run the demonstration."""
    viewer_port, archive_port = free_ports(WANTED_PORTS)
    with (
        tempfile.TemporaryDirectory(prefix="miqa-viewer-") as storage,
        archive(Path(storage), archive_port) as server,
        site(viewer_files(), archive_port, viewer_port) as address,
    ):
        made = results(console, folder)
        for data in [*(sample.data for sample in make_samples()), *(path.read_bytes() for path in made)]:
            server.store(data)
        console.print(f"{len(made)} results on {len(server.studies())} studies are in the viewer: {address}")
        link = f"{address}/viewer?StudyInstanceUIDs={{study_uid}}"
        console.print(f"For a link on the pages of studies: MIQA_WEB__VIEWER_URL='{link}' make run")
        console.print("Serving until Ctrl-C.")
        stop.wait()


def results(console: Console, folder: Path) -> list[Path]:
    """The objects that the demonstration's PACS has received."""
    files = sorted((folder / "pacs").glob("*.dcm"))
    if not files:
        console.print("There are no results yet; running the demonstration first.")
        command = [sys.executable, "-m", "demo", "--once", "--data-dir", str(folder)]
        if subprocess.run(command, check=False).returncode != 0:  # noqa: S603 - our own program
            raise MiqaError("The demonstration did not go as promised; see above.")
        files = sorted((folder / "pacs").glob("*.dcm"))
    return files


if __name__ == "__main__":
    sys.exit(main())
