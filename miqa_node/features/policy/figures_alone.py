"""Rules of what was ``[[scope.finding_figure]]``: findings that flag images which are not judged as a whole.

Of the figures of a finding the first that covered an image counted, whatever a later one said; of rules the narrower
applies. So a later figure loses the parts that an earlier one has, and all are narrower than the place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from miqa_node.core.domain.kept_figure import LEAST_AGE_YEARS, LEAST_AUROC
from miqa_node.core.domain.rule import ADULT_YEARS, Then, Where
from miqa_node.core.taxonomy.entries import check_keys, number, required
from miqa_node.core.taxonomy.places import MOST_YEARS

OF_FIGURE = ("package", "found", "images", "source", "least_age_years")
FIGURE_KEYS = ("body_part", "view", *OF_FIGURE)
OF_RULE = ("min_probability", "min_severity")
KEYS = ("name", "auroc", "flagged", *OF_RULE, *FIGURE_KEYS)

Narrow = Callable[[Mapping[str, Any]], Where]


@dataclass(slots=True)
class FigureAlone:
    """A rule of one finding with its figures, of several packages: ``records`` are the tables of evidence."""

    entry: dict[str, Any]
    conditions: dict[str, Any]
    where: Where
    age: int
    records: list[dict[str, Any]] = field(default_factory=list)

    @property
    def packages(self) -> set[str]:
        """Whose findings it is about."""
        return {str(one["package"]) for one in self.records}


class FiguresAlone:
    """All rules of a scope; ``narrow`` gives the place with further conditions, ValueError if nothing remains."""

    def __init__(self, narrow: Narrow, over_of: Mapping[str, Sequence[Any]]) -> None:
        """``over_of`` are the findings that the scope has rules for, with ``over`` of each rule."""
        self._narrow, self._over_of = narrow, over_of
        self.rules: list[FigureAlone] = []

    def add(self, table: Mapping[str, Any]) -> str:
        """Why a figure has no effect; empty if it has a rule now. ValueError if it cannot have one."""
        check_keys(table, KEYS)
        for key in ("package", "auroc", "flagged"):
            required(table, key)
        name = required(table, "name")
        if number(table, "auroc", 0.0, 1.0) < LEAST_AUROC:
            return f"its auroc is below {LEAST_AUROC:g}, so it had no effect"
        if name not in self._over_of:
            return "the scope has no rule for this finding, so it had no effect"
        made = self._rule(table, name)
        for earlier in [one for one in self.rules if one.entry["finding"] == name]:
            if (earlier.where, earlier.entry) == (made.where, made.entry):
                earlier.records += made.records
                return ""
            if not self._give_way(made, earlier):
                return "an earlier figure of this finding covers all of its images, so it had no effect"
        self.rules.append(made)
        return ""

    def _rule(self, table: Mapping[str, Any], name: str) -> FigureAlone:
        entry = {"finding": name, "then": Then.REVIEW.value, **{key: table[key] for key in OF_RULE if key in table}}
        if all(over := self._over_of[name]):
            entry["over"] = sorted({str(region) for regions in over for region in regions})
        conditions = {key: table[key] for key in ("body_part", "view") if table.get(key)}
        record = {key: table[key] for key in ("auroc", "flagged", *OF_FIGURE) if key in table}
        age = int(number(table, "least_age_years", LEAST_AGE_YEARS))
        return FigureAlone(entry, conditions, self._narrow(conditions), age, [record])

    def _give_way(self, made: FigureAlone, earlier: FigureAlone) -> bool:
        """Whether anything remains of a figure beside an earlier one that covers some of its images."""
        mine, theirs = made.where, earlier.where
        if not mine.meets(theirs) or theirs.is_narrower(mine):
            return True
        if not any(_may_be_one(one, other) for one in made.packages for other in earlier.packages):
            if mine.is_narrower(theirs):
                return True
        elif (
            made.packages <= earlier.packages
            and earlier.age <= made.age
            and (not theirs.view or ({*mine.view} <= {*theirs.view} and mine.view))
        ):
            if not theirs.body_part or (mine.body_part and {*mine.body_part} <= {*theirs.body_part}):
                return False
            if mine.body_part:
                made.conditions["body_part"] = sorted({*mine.body_part} - {*theirs.body_part})
                made.where = self._narrow(made.conditions)
                return True
        raise ValueError(
            "an earlier figure of this finding covers some of its images, and rules cannot say which comes first. Let "
            "each body part stand in one of both, and convert again."
        )

    def finish(self, place: Where) -> None:
        """Make all narrower than the place, by the age from which figures count, if one is as wide as it."""
        if all(one.where.is_narrower(place) for one in self.rules):
            return
        for one in self.rules:  # an unknown age counts as an adult's, and figures count for it
            one.conditions["age"] = [min(one.age, ADULT_YEARS), MOST_YEARS]


def _may_be_one(one: str, other: str) -> bool:
    """Whether two names may stand for the same package: NAME stands for NAME-VERSION, too."""
    return one == other or one.startswith(f"{other}-") or other.startswith(f"{one}-")
