"""When each part of the campaign ran last is said by a file and by a page, which agree."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT


def test_the_other_pythons_are_none_that_runs_here() -> None:
    output = subprocess.run(
        [sys.executable, ROOT / ".ci/pythons.py"], check=True, capture_output=True, text=True
    ).stdout
    here = ".".join(map(str, sys.version_info[:3]))
    versions = [line.split(" ", 1)[0] for line in output.splitlines()]
    assert here not in versions
    assert len(set(versions)) == len(versions)
    for line in output.splitlines():
        version, program = line.split(" ", 1)
        answer = subprocess.run([program, "-V"], check=True, capture_output=True, text=True).stdout
        assert answer == f"Python {version}\n"
