"""``make audit``: asks the index for known vulnerabilities of a lock file, and fails also where it was told nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def findings(document: dict[str, Any]) -> tuple[list[str], bool]:
    """What pip-audit's JSON says, in lines, and whether all was looked up and nothing found."""
    every = document.get("dependencies", [])
    left_out = [f"{one['name']}: not audited: {one['skip_reason']}" for one in every if "skip_reason" in one]
    if len(left_out) == len(every):
        return [f"Not audited: the index answered for none of {len(every)} packages.", *left_out[:1]], False
    faults = [
        f"{one['name']} {one['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'no version'}"
        for one in every
        for fault in one.get("vulns", ())
    ]
    audited = f"{len(every) - len(left_out)} of {len(every)} packages audited."
    return [*left_out, *faults, audited], not left_out and not faults


if __name__ == "__main__":
    options = "--require-hashes", "--disable-pip", "--format", "json", "--requirement", sys.argv[1]
    program = [str(Path(sys.executable).with_name("pip-audit")), *options]
    ran = subprocess.run(program, stdout=subprocess.PIPE, check=False)  # noqa: S603 - our own program
    lines, is_clean = findings(json.loads(ran.stdout or b"{}"))
    sys.stdout.write("\n".join([*lines, ""]))
    sys.exit(0 if is_clean and ran.returncode == 0 else 1)
