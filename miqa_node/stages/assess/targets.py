"""Section ``targets`` of a card: what a package had to reach, what it reaches, and what was tried where it does not."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from miqa_node.stages.assess.section import Section

MISSED = "missed"


class ReachedFigure(Section):
    """A figure on some ``images``; None where they cannot say it."""

    images: str
    value: float | None


class Target(Section):
    """One figure that was asked for: ``must`` and, further, ``aim``; ``before`` is what the product reached then."""

    figure: str
    must: float
    aim: float | None = None
    before: float | None = None
    less_is_better: bool = False
    reached: Annotated[tuple[ReachedFigure, ...], Field(min_length=1)]
    """The first decides; further ones are told beside it."""

    @property
    def is_missed(self) -> bool:
        """Whether the must is not reached, or nobody knows."""
        value = self.reached[0].value
        return value is None or (value > self.must if self.less_is_better else value < self.must)

    @property
    def verdict(self) -> str:
        """In a word."""
        return MISSED if self.is_missed else "reached"


class Targets(Section):
    """The targets, and what was tried for those that are missed. May be younger than the graph."""

    about: str
    rows: Annotated[tuple[Target, ...], Field(min_length=1)]
    tried: tuple[str, ...] = ()

    @property
    def head(self) -> tuple[str, ...]:
        """The head of their table."""
        return ("figure", "before", "must", "aim", "reached", "")

    @property
    def table(self) -> list[tuple[str, ...]]:
        """The rows as people read them: a limit has its sign, and each figure says on which images it was reached."""
        return [
            (row.figure, _number(row.before), f"{'≤' if row.less_is_better else '≥'} {_number(row.must)}",
             _number(row.aim), "; ".join(f"{_number(one.value)} ({one.images})" for one in row.reached),
             f"**{row.verdict}**" if row.is_missed else row.verdict)
            for row in self.rows
        ]  # fmt: skip


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
