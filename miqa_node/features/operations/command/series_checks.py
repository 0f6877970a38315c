"""What ``miqa-node doctor`` says of the libraries that measure CT and MR series and describe their marked regions."""

from __future__ import annotations

import sys
from importlib.metadata import version

from miqa_node.core.domain.acceptance import Acceptance
from miqa_node.core.settings import Settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.errors import MiqaError
from miqa_node.plugins import addition
from miqa_node.stages.measure.base import measures_with
from miqa_node.stages.measure.installed import SERIES, is_installed
from miqa_node.stages.report.series.extra import LIBRARIES, missing_libraries

HOW_TO_TRY = (
    "`miqa-node evaluate series DIR --faults` (miqa-node-training) makes the lines of tried_on from your series, or "
    "take these rules for ACCEPT out (docs/explanation/series.md#what-accept-stands-for)"
)
FIRST_WITHOUT = (3, 14)
"""The first Python for which highdicom's own libraries have no wheels."""


def series_libraries(_settings: Settings) -> str:
    """Which are installed, or what is lacking without them and how they are added."""
    missing = missing_libraries()
    if not is_installed(SERIES):
        return (
            "series, ultrasound, mammography, nuclear medicine and angiography are not measured and get no verdict; "
            f"this adds it: {addition('miqa-node-series')}"
        )
    if not missing:
        return ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    absent = f"without {' and '.join(missing)} reports of CT and MR series name no volumes of what is marked"
    if unmeasured := [one.name for library in missing for one in measures_with(library)]:
        absent += f", and {', '.join(unmeasured[:-1])} and {unmeasured[-1]} are not measured"
    return f"{absent}; {how_to_add(sys.version_info[:2])}"


def series_accepted(settings: Settings) -> str:
    """What the site's policy accepts by measurements, and by which figures; what falls short, with the reason."""
    try:
        policy = read_policy(settings.policy_file)
    except MiqaError:  # the check of the policy names it
        return "not looked at"
    tables = [(rule.where, rule.acceptance) for rule in policy.rules if rule.acceptance is not None]
    by_word = dict.fromkeys(where.name for where, table in tables if _has_no_figures(table))
    short = {
        f"{where.name}: {text}": None
        for where, table in tables
        for modality in where.modality
        if (text := table.shortfall(modality))
    }
    proven = dict.fromkeys(
        where.name for where, table in tables if table.trials and not any(map(table.shortfall, where.modality))
    )
    lines = [f"the policy accepts series by measurements in {', '.join(proven)}" if proven else "", *short]
    if by_word:
        lines.append(
            f"the policy accepts series by measurements in {', '.join(by_word)} without figures of what is found: "
            "what nothing finds, such as streaks or noise that was low and doubled, is ACCEPT. The shipped policy "
            f"accepts no such series; {HOW_TO_TRY}"
        )
    return " ".join(filter(None, lines)) or "the policy accepts none by measurements"


def _has_no_figures(table: Acceptance) -> bool:
    return not table.trials and not table.parts


def how_to_add(python: tuple[int, int]) -> str:
    """The command that adds them to a node on this Python, or that there are no wheels for it."""
    if python < FIRST_WITHOUT:
        return f"this adds them: {addition('series')}"
    major, minor = FIRST_WITHOUT
    return (
        f"highdicom's libraries have no wheels for Python {python[0]}.{python[1]} yet: a node that is installed with "
        f"Python {major}.{minor - 1} can have them"
    )
