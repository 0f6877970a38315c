"""How far a long piece of work is: whoever does it tells, and the command that waits for it shows it at a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")


class Watcher(Protocol):
    """Shows how far work is."""

    def __call__(self, what: str, done: float, total: float, words: str) -> None:
        """``done`` of ``total``; the work named ``what`` has ended when they are equal."""


_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


def tell(what: str, done: float, total: float, words: str = "") -> None:
    """Say how far the work is, with further ``words``; nobody listens in a node or in a pipe."""
    if (watcher := _watcher.get()) is not None:
        watcher(what, done, total, words)


def counted(items: Sequence[T], what: str) -> Iterator[T]:
    """The items; each is told when it is done."""
    return counted_of(items, len(items), what)


def counted_of(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The same for items whose number is known otherwise."""
    done = 0
    try:
        for done, item in enumerate(items, 1):
            tell(what, done - 1, total, f"{done - 1} of {total}")
            yield item
    finally:
        if done:
            tell(what, total, total)


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Let what this block does be shown."""
    before = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(before)
