"""Measures what commands cost beside a process that only imports what all of them need.

    python -m benchmarks.commands [--rounds 7] [--images 6] [--beside CHECKOUT]

A real node on embedded defaults judges a few images first; the commands then read what it left. In each round every
command runs once, after the process that imports only Typer, pydantic-settings, SQLAlchemy and structlog: processor
time (user and system) and resident memory are medians of all rounds. ``--beside`` runs each command of another checkout
of the node in the same rounds, with this one's libraries. The benchmark ends with 1 if a limit is exceeded.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.latency import one_after_the_other
from benchmarks.load import new_images, running
from benchmarks.machine import describe, keep

FLOOR = "import typer, pydantic_settings, sqlalchemy, structlog"
LIMIT_S, LIMIT_MIB = 0.15, 20.0
"""Most processor time and memory of a command that reads the database, above the floor."""
ROOT = Path(__file__).parents[1]
LAUNCHER = """
import os, sys
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet), 0)
print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""
"""The kernel counts the memory of the process that starts another one, so a small one starts each."""


class Cost(NamedTuple):
    """What one process took, without children that outlive it."""

    processor_s: float
    memory_mib: float


def main() -> None:
    """Measure all, keep the result, and end with 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=6, help="judged by the node before")
    parser.add_argument("--beside", type=Path, help="another checkout of the node")
    options = parser.parse_args()
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="miqa-commands-") as folder:
        result = measure(Path(folder), options.images, options.rounds, options.beside)
    keep("commands", machine, result)
    if exceeded := [name for name, row in result["commands"].items() if row["is_limited"] and not row["is_within"]]:
        sys.exit(f"Limits are exceeded: {', '.join(exceeded)}")


def measure(folder: Path, images: int, rounds: int, beside: Path | None) -> dict[str, Any]:
    """The costs of all commands, and how far above the floor they are."""
    image = folder / "image.dcm"
    with running(folder / "node", "all") as site:
        samples = new_images(images)
        image.write_bytes(samples[0].data)
        one_after_the_other(site.modality, site.pacs, samples)
        data_dir = site.folder
    limited = reading_commands(data_dir, folder / "backup")
    commands = {**limited, "assess": ["assess", str(image)]}
    checkouts = [ROOT] if beside is None else [ROOT, beside.resolve()]
    costs = run_all(commands, checkouts, rounds)
    floor = costs["floor", ROOT]
    rows: dict[str, dict[str, Any]] = {}
    for name in commands:
        cost = costs[name, ROOT]
        above_s, above_mib = cost.processor_s - floor.processor_s, cost.memory_mib - floor.memory_mib
        rows[name] = {
            "processor_s": round(cost.processor_s, 3),
            "memory_mib": round(cost.memory_mib, 1),
            "above_floor_s": round(above_s, 3),
            "above_floor_mib": round(above_mib, 1),
            "is_limited": name in limited,
            "is_within": above_s <= LIMIT_S and above_mib <= LIMIT_MIB,
        }
        if beside is not None:
            other = costs[name, checkouts[1]]
            rows[name]["beside_s"], rows[name]["beside_mib"] = round(other.processor_s, 3), round(other.memory_mib, 1)
    return {
        "rounds": rounds,
        "limits": {"above_floor_s": LIMIT_S, "above_floor_mib": LIMIT_MIB},
        "floor": {"processor_s": round(floor.processor_s, 3), "memory_mib": round(floor.memory_mib, 1)},
        "commands": rows,
    }


def reading_commands(data_dir: Path, backup: Path) -> dict[str, list[str]]:
    """The commands that only read the database, or find nothing to do; by name."""
    with closing(sqlite3.connect(data_dir / "miqa.sqlite")) as connection:
        [uid] = connection.execute("SELECT sop_instance_uid FROM instances LIMIT 1").fetchone()
    words = {
        "explain": ["explain", uid],
        "worklist list": ["worklist", "list"],
        "deliveries list": ["deliveries", "list"],
        "labels list": ["labels", "list"],
        "backup": ["backup", str(backup)],
        "migrate": ["migrate"],
    }
    return {name: [*arguments, "--data-dir", str(data_dir)] for name, arguments in words.items()}


def run_all(
    commands: Mapping[str, Sequence[str]], checkouts: Sequence[Path], rounds: int
) -> dict[tuple[str, Path], Cost]:
    """The median cost of the floor and of each command, by checkout."""
    programs = {("floor", ROOT): ([sys.executable, "-c", FLOOR], ROOT)}
    for name, arguments in commands.items():
        for checkout in checkouts:
            programs[name, checkout] = [sys.executable, "-m", program_of(checkout), *arguments], checkout
    costs: defaultdict[tuple[str, Path], list[Cost]] = defaultdict(list)
    for number in range(rounds + 1):
        for key, (program, root) in programs.items():
            cost = cost_of(program, root)
            if number:  # the first round writes the bytecode of modules, and fills the backup
                costs[key].append(cost)
    return {
        key: Cost(median(run.processor_s for run in runs), median(run.memory_mib for run in runs))
        for key, runs in costs.items()
    }


def program_of(checkout: Path) -> str:
    """The module that is the program; before the six storeys it had another name."""
    is_here = (checkout / "miqa_node" / "interfaces" / "cli").is_dir()
    return "miqa_node.interfaces.cli" if is_here else "miqa_node.cli"


def cost_of(program: Sequence[str], checkout: Path) -> Cost:
    """Run a program with the modules of a checkout; CalledProcessError if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed node has bytecode
    launcher = [sys.executable, "-S", "-c", LAUNCHER, *program]
    answer = subprocess.run(launcher, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    code, processor_s, memory_kib = answer.stdout.split()
    if int(code):
        raise subprocess.CalledProcessError(int(code), program)
    return Cost(float(processor_s), int(memory_kib) / 1024)


if __name__ == "__main__":
    main()
