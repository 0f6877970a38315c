"""What ``miqa-node doctor`` says of the libraries that measure CT and MR series and describe their marked regions."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from miqa_node.core.settings import Settings
from miqa_node.stages.measure.base import measures_with
from miqa_node.stages.report.series.extra import LIBRARIES, missing_libraries

FIRST_WITHOUT = (3, 14)
"""The first Python for which highdicom's own libraries have no wheels."""


def series_libraries(_settings: Settings) -> str:
    """Which are installed, or what is lacking without them and how they are added."""
    missing = missing_libraries()
    if not missing:
        return ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    absent = f"without {' and '.join(missing)} reports of CT and MR series name no volumes of what is marked"
    if unmeasured := [one.name for library in missing for one in measures_with(library)]:
        absent += f", and {', '.join(unmeasured[:-1])} and {unmeasured[-1]} are not measured"
    if sys.version_info >= FIRST_WITHOUT:
        first = ".".join(map(str, FIRST_WITHOUT))
        return f"{absent}; there is no highdicom for Python {first} yet"
    return f"{absent}; this adds them: {Path(sys.prefix) / 'bin' / 'pip'} install 'miqa-node[series]'"
