"""What ``miqa-node doctor`` says of the libraries that measure CT and MR series and describe their marked regions."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from miqa_node.core.settings import Settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.errors import MiqaError
from miqa_node.stages.measure.base import measures_with
from miqa_node.stages.report.series.extra import LIBRARIES, missing_libraries

NO_MORE = frozenset({"MR"})
"""What the shipped policy accepts no more by measurements."""
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
    return f"{absent}; {how_to_add(sys.version_info[:2])}"


def accepted_mr(settings: Settings) -> str:
    """Which scopes of the site's policy accept MR series by measurements, which the shipped policy no longer does."""
    try:
        policy = read_policy(settings.policy_file)
    except MiqaError:  # the check of the policy names it
        return "not looked at"
    names = [
        one.name
        for one in policy.scopes
        if (not one.modality or not NO_MORE.isdisjoint(one.modality)) and (one.acceptances or one.accept_measured)
    ]
    if not names:
        return "the policy accepts none by measurements"
    return (
        f"the policy accepts MR series by measurements in {', '.join(names)}: motion within a volume, interference and "
        "four times the noise can be ACCEPT there. The shipped policy no longer does; take [[scope.accept]] and "
        "accept_measured out of these scopes unless you have tried them (docs/how-to/upgrade.md)"
    )


def how_to_add(python: tuple[int, int]) -> str:
    """The command that adds them to a node on this Python, or that there are no wheels for it."""
    if python < FIRST_WITHOUT:
        return f"this adds them: {Path(sys.prefix) / 'bin' / 'pip'} install 'miqa-node[series]'"
    major, minor = FIRST_WITHOUT
    return (
        f"highdicom's libraries have no wheels for Python {python[0]}.{python[1]} yet: a node that is installed with "
        f"Python {major}.{minor - 1} can have them"
    )
