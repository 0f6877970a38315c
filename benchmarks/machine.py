"""Says on what machine and with what software a benchmark ran, and keeps its result beside those of other runs."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "numpy",
    "onnxruntime",
    "opencv-python-headless",
    "pydicom",
    "pynetdicom",
    "highdicom",
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
        "uncommitted_changes": bool(_git("status", "--porcelain", "--", "miqa_node", "models", "config")),
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


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, cwd=RESULTS.parent)
    return done.stdout.strip()
