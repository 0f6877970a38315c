"""What several users need of an object is computed once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

T = TypeVar("T")

Results = dict[tuple[Any, ...], Any]
"""By function and arguments."""


class Memory:
    """An object that computes what its users share once, at the first use."""

    __slots__ = ("_results",)

    def __init__(self, results: Results | None = None) -> None:
        """``results`` are returned without computing them."""
        self._results: Results = dict(results or {})

    def once(self, compute: Callable[..., T], *arguments: Hashable) -> T:
        """Result of the function for this object and the arguments; computed at the first call."""
        use = compute, *arguments
        if use not in self._results:
            self._results[use] = compute(self, *arguments)
        return cast("T", self._results[use])

    def remember(self, compute: Callable[..., Any], result: object) -> None:
        """Let :meth:`once` return this result of a function without computing it."""
        self._results[compute,] = result
