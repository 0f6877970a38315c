"""The figures that follow from the runs: what all tests kill, and what the quick suite kills of that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tools.mutants.mutations import Mutant
from tools.mutants.records import Records


def outcome(records: Records, seed: int) -> dict[str, Any]:
    """Counts, the share, and one row for each mutant."""
    mutants = records.chosen(seed)
    killed = [one for one in mutants if records.killed(one.name)]
    quick = [one for one in killed if records.killers(one.name, quick=True)]
    return {
        "seed": seed,
        "mutants_measured": len(mutants),
        "open": sum(bool(records.pending(one.name)) for one in mutants),
        "killed_by_all_tests": len(killed),
        "killed_by_make_test": len(quick),
        "share": round(len(quick) / len(killed), 3) if killed else None,
        "processor_s": round(sum(run.cpu_s for one in mutants for run in records.runs[one.name].values())),
        "kinds": {kind: {"killed": n, "by_make_test": _kinds(quick)[kind]} for kind, n in _kinds(killed).most_common()},
        "mutants": [_row(records, one) for one in mutants],
    }


def _kinds(mutants: list[Mutant]) -> Counter[str]:
    return Counter(one.kind for one in mutants)


def _row(records: Records, mutant: Mutant) -> dict[str, Any]:
    suites = {"quick": True, "more": False}
    return {
        "place": f"{mutant.path}:{mutant.line}",
        "kind": mutant.kind,
        "before": _shown(mutant.before),
        "after": _shown(mutant.after),
        "tests": {suite: len(records.tests(mutant.name, quick=quick)) for suite, quick in suites.items()},
        "killed_by": next(iter(records.killers(mutant.name, quick=True) or records.killers(mutant.name)), None),
    }


def _shown(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:99]}…"


def missed(records: Records, seed: int) -> list[dict[str, Any]]:
    """What only tests outside the quick suite kill, with those tests."""
    hits = []
    for mutant in records.chosen(seed):
        killers = records.killers(mutant.name)
        if killers and not records.killers(mutant.name, quick=True):
            row = _row(records, mutant)
            row["killed_by"] = killers
            hits.append({**row, "open": bool(records.pending(mutant.name))})
    return hits


def differences(before: Records, after: Records, seed: int) -> Iterator[str]:
    """A line for each mutant that was killed before and survives, and one that says how many were compared."""
    killed = [one for one in before.chosen(seed) if before.killed(one.name)]
    same = [one for one in killed if one.name in after.runs and (after.killed(one.name) or not after.pending(one.name))]
    lost = [one for one in same if not after.killed(one.name)]
    for one in lost:
        change = f"{_shown(one.before)} -> {_shown(one.after)}"
        yield f"{one.path}:{one.line} {one.kind}: {change}; was killed by {before.killers(one.name)[0]}"
    yield f"{len(killed)} were killed before; {len(same)} of them were measured again, and {len(lost)} survive"
