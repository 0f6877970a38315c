"""Says on what machine and with what software a benchmark ran, and keeps its result beside those of other runs."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "numpy",
    "onnxruntime",
    "opencv-python-headless",
    "pydicom",
    "pynetdicom",
    "dbos",
    "sqlalchemy",
)


def describe() -> dict[str, Any]:
    """Processor, memory, system, versions and the state of the checkout; nothing that names the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": _git("rev-parse", "--short", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--", "miqa_node", "packages", "models", "config")),
        "load_before": round(os.getloadavg()[0], 2),
    }


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95, longest and mean of a series, and how many there were."""
    return {
        "n": len(seconds),
        "p50_s": round(float(np.percentile(seconds, 50)), 3),
        "p95_s": round(float(np.percentile(seconds, 95)), 3),
        "max_s": round(max(seconds), 3),
        "mean_s": round(float(np.mean(seconds)), 3),
    }


@dataclass(frozen=True, slots=True)
class TreeCost:
    """What a process and all its descendants took so far, those that have ended and were waited for included."""

    processor_s: float
    page_faults: int

    @classmethod
    def of(cls, pid: int) -> Self:
        """As the system counts it now."""
        fields_by_pid = {int(path.parent.name): _fields(path) for path in Path("/proc").glob("[0-9]*/stat")}
        tree = {pid}
        while more := {one for one, f in fields_by_pid.items() if f and int(f[1]) in tree and one not in tree}:
            tree |= more
        rows = [fields_by_pid[one] for one in tree if fields_by_pid.get(one)]
        ticks = sum(int(value) for row in rows for value in row[11:15])
        return cls(ticks / os.sysconf("SC_CLK_TCK"), sum(int(row[7]) + int(row[8]) for row in rows))

    def since(self, before: Self, images: int) -> dict[str, float]:
        """Per image, since an earlier count."""
        return {
            "cpu_ms_per_image": round(1e3 * (self.processor_s - before.processor_s) / images, 1),
            "page_faults_per_image": round((self.page_faults - before.page_faults) / images, 1),
        }


def keep(name: str, machine: Mapping[str, Any], result: Mapping[str, Any]) -> Path:
    """Write ``results/<name>-<date>.json`` and print it."""
    now = datetime.now(UTC)
    document = {"benchmark": name, "at": now.isoformat(timespec="seconds"), "machine": dict(machine), **result}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{now:%Y%m%d}.json"
    text = json.dumps(document, indent=2) + "\n"
    path.write_text(text, "utf-8")
    print(text)
    return path


def _fields(stat: Path) -> list[str]:
    """What follows the name of the process (proc_pid_stat(5)); empty if it has ended meanwhile."""
    try:
        return stat.read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, cwd=RESULTS.parent)
    return done.stdout.strip()
