"""Inputs guided by coverage: atheris (libFuzzer) in a process of its own for each target, from the same corpus."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.campaign import FuzzCount, quiet
from tests.fuzz.seeds import CORPUS
from tests.fuzz.targets import HANG_S, TARGETS, FuzzTarget, opened

MAX_INPUT_BYTES = 8192
MAX_RESIDENT_MIB = 2048
PROGRAM = """
import sys, atheris
with atheris.instrument_imports(include=["miqa_node", "pynetdicom", "python_multipart"]):
    from tests.fuzz.coverage import main
main(sys.argv)
"""


def explore_coverage(kind: type[FuzzTarget], most: int, seed: int = 0) -> FuzzCount:
    """``most`` inputs; libFuzzer ends at the first exception, hang, or when memory runs past its limit."""
    count = FuzzCount(f"{kind.name}, guided")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="miqa-fuzz-") as scratch:
        command = [
            *(sys.executable, "-c", PROGRAM, kind.name, str(scratch), str(CORPUS / kind.name)),
            *(f"-runs={most}", f"-seed={1 + seed % 2**31}", f"-max_len={MAX_INPUT_BYTES}", f"-timeout={HANG_S:.0f}"),
            *(f"-rss_limit_mb={MAX_RESIDENT_MIB}", f"-artifact_prefix={scratch}/", "-print_final_stats=1"),
        ]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
        output = ended.stdout + ended.stderr
        crashes = [path for path in Path(scratch).iterdir() if re.match(r"(crash|timeout|oom|leak)-", path.name)]
        if ended.returncode:
            inputs = "; ".join(repr(path.read_bytes()[:1000]) for path in crashes)
            count.failures.append(f"exit code {ended.returncode}: {output[-3000:]} {inputs}")
    count.inputs = int(_figure(output, "number_of_executed_units"))
    count.grown_mib = _figure(output, "peak_rss_mb")
    count.slowest_ms = 1e3 * _figure(output, "slowest_unit_time_sec")
    count.seconds = time.perf_counter() - started
    return count


def _figure(output: str, name: str) -> float:
    match = re.search(rf"stat::{name}:\s+(\d+)", output)
    return float(match[1]) if match else 0.0


def main(arguments: list[str]) -> None:
    """In the process of its own, whose imports were instrumented: hand over to libFuzzer."""
    import atheris

    quiet()
    [kind] = [kind for kind in TARGETS if kind.name == arguments[1]]
    with opened(kind) as target:
        atheris.Setup([arguments[0], *arguments[2:]], target.run)
        atheris.Fuzz()
