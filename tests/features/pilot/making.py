"""Pilots of tests: a node's folder with destinations, images that are judged without a model, and runs of commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import sqlalchemy as sa

from miqa_node.features.pilot.tables import pilot_images
from miqa_node.runtime.store.database import Database, Transaction
from tests.sending import exposure
from tests.waiting import wait_until

PERIOD = ("--since", "2026-10-01", "--until", "2026-10-31")


def past_images(samples: Path, number: int) -> list[pydicom.FileDataset]:
    """Images of October in two rooms, two of each patient."""
    return [
        exposure(
            samples, one, Modality="CR", StationName=f"ROOM{one % 2}", PatientID=f"P{one // 2}",
            **dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"), f"202610{1 + one % 28:02}"),
        )
        for one in range(number)
    ]  # fmt: skip


def as_file(image: pydicom.FileDataset) -> bytes:
    """The image as a file."""
    file = BytesIO()
    image.save_as(file)
    return file.getvalue()


@dataclass(frozen=True)
class Site:
    """The folder of a node, with its settings and destinations; commands run as people run them."""

    folder: Path
    port: int = 11112

    def name_archives(self, **destinations: Mapping[str, Any]) -> None:
        """Write the settings and the destinations, each with its keys."""
        lines = []
        for name, keys in destinations.items():
            values = {"name": name, "objects": [], **keys}
            lines += ["[[destination]]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        self.folder.mkdir(exist_ok=True)
        (self.folder / "destinations.toml").write_text("\n".join(lines))
        self.config.write_text(f'[node]\ndata_dir = "{self.folder}"\n[dicom]\nport = {self.port}\n')

    @property
    def config(self) -> Path:
        """The file of settings."""
        return self.folder / "miqa.toml"

    def command(self, *words: str) -> list[str]:
        """A command about this site."""
        return [sys.executable, "-m", "miqa_node.interfaces.cli", *words, "--config", str(self.config)]

    def run(self, *words: str, code: int = 0, limit_s: float = 1200) -> str:
        """Run a command to its end, with what it prints."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=limit_s, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def run_with_kills(self, name: str, kills_after: list[int], *options: str) -> dict[str, int]:
        """Run a pilot that is killed when so many images were judged, and begun again; the last line at its end."""
        command = self.command("pilot", "run", name, "--now", "--pace", "1000", *options)
        for count in kills_after:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                self._wait_for(name, count, process)
            finally:
                process.kill()
                process.wait()
        return dict(json.loads(self.run(*command[3:-2], "--json").splitlines()[-1]))

    def _wait_for(self, name: str, count: int, process: subprocess.Popen[bytes]) -> None:
        wait_until(lambda: self.judged(name) >= count or process.poll() is not None, 600)

    def judged(self, name: str) -> int:
        """How many images of a pilot are judged by now."""
        with self.transaction() as transaction:
            own = pilot_images.c.pilot == name, pilot_images.c.outcome == "judged"
            return int(transaction.execute(sa.select(sa.func.count()).where(*own)).scalar_one())

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """On the database of the site."""
        with closing(Database(f"sqlite:///{self.folder / 'miqa.sqlite'}")) as database, database.begin() as transaction:
            yield transaction

    def assessed(self, folder: Path) -> dict[str, tuple[str, float | None]]:
        """Verdict and score by file name, as ``assess`` gives them to the files of a folder."""
        lines = map(json.loads, self.run("assess", str(folder), "--json").splitlines())
        return {Path(one["file"]).stem: (one["verdict"], one["score"]) for one in lines}
