"""``python -m tests.fuzz``: the whole campaign, its counts in benchmarks/results/ (``make fuzz``)."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from importlib.util import find_spec

from benchmarks.machine import describe, keep
from tests.fuzz.campaign import FuzzCount, explore, quiet
from tests.fuzz.coverage import explore_coverage
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Fuzz every target, first with structured inputs, then, where atheris is installed, guided by coverage."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=main.__doc__)
    parser.add_argument("--inputs", type=int, default=60_000, help="structured inputs of all targets together")
    parser.add_argument("--guided", type=int, default=20_000, help="inputs guided by coverage, of all targets together")
    parser.add_argument("--target", action="append", choices=[kind.name for kind in TARGETS], help="default is all")
    parser.add_argument("--seed", type=int, default=int(datetime.now(UTC).timestamp()))
    parser.add_argument("--no-file", action="store_true", help="write no file of results")
    options = parser.parse_args()
    quiet()
    has_atheris = find_spec("atheris") is not None
    kinds = [kind for kind in TARGETS if not options.target or kind.name in options.target]
    shares = sum(kind.share for kind in kinds)
    structured, guided = [], []
    for kind in kinds:
        structured.append(_say(explore(kind, options.inputs * kind.share // shares, options.seed)))
        if has_atheris and kind.guided:
            guided.append(_say(explore_coverage(kind, options.guided * kind.share // shares, options.seed)))
    failed = [count.target for count in (*structured, *guided) if count.failures]
    if not options.no_file:
        result = {
            "seed": options.seed,
            "inputs": sum(count.inputs for count in structured),
            "structured": [count.as_dict() for count in structured],
            "guided": [count.as_dict() for count in guided] if has_atheris else "atheris is not installed",
        }
        keep("fuzz", describe(), result)
    return 1 if failed else 0


def _say(count: FuzzCount) -> FuzzCount:
    sys.stdout.write(json.dumps(count.as_dict()) + "\n")
    sys.stdout.flush()
    return count


if __name__ == "__main__":
    sys.exit(main())
