"""Shows how far a long command is: bars at a terminal, in logs a line every ten seconds, with ``--json`` nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from miqa_node.core.observe.progress import counted, watched_by

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

T = TypeVar("T")

LINE_EVERY_S = 10.0
JSON = "miqa_node.json"
"""Key in the context of a command: whether its result is for programs."""


@contextmanager
def progress_shown(meta: dict[str, Any]) -> Iterator[None]:
    """Show what the block tells of its work, on stderr; ``meta`` is that of the command's context."""
    shown = _Bars(meta) if sys.stderr.isatty() else _Lines(meta)
    try:
        with watched_by(shown):
            yield
    finally:
        shown.close()


def beside_lines(items: Sequence[T], what: str) -> Iterator[T]:
    """The items, counted unless the lines of the result show at the terminal how far the work is."""
    return iter(items) if sys.stdout.isatty() else counted(items, what)


class _Lines:
    """A line now and then, of whatever is under way."""

    def __init__(self, meta: dict[str, Any]) -> None:
        self._meta, self._began, self._said = meta, time.monotonic(), time.monotonic()

    def __call__(self, what: str, done: float, total: float, words: str) -> None:
        now = time.monotonic()
        if done < total and now - self._said >= LINE_EVERY_S and not self._meta.get(JSON):
            sys.stderr.write(f"{now - self._began:5.0f} s  {what}: {words}\n")
            sys.stderr.flush()
            self._said = now

    def close(self) -> None:
        """Nothing is left to say."""


class _Bars:
    """A bar for each piece of work that is under way; between them the terminal is the command's."""

    def __init__(self, meta: dict[str, Any]) -> None:
        self._meta = meta
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, done: float, total: float, words: str) -> None:
        if self._meta.get(JSON):
            return
        if done >= total:
            self._end(what)
            return
        if self._progress is None:
            self._progress = _bar()
            self._progress.start()
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, words=words)
        self._progress.update(self._tasks[what], completed=done, total=total, words=words)

    def close(self) -> None:
        """Give the terminal back."""
        for what in list(self._tasks):
            self._end(what)

    def _end(self, what: str) -> None:
        task = self._tasks.pop(what, None)
        if task is None or self._progress is None:
            return
        self._progress.remove_task(task)
        if not self._tasks:
            self._progress.stop()
            self._progress = None


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    # Lines that the command prints meanwhile go above the bar if they are for the same terminal.
    console, same = Console(stderr=True), sys.stdout.isatty()
    return Progress(*columns, console=console, transient=True, redirect_stdout=same, speed_estimate_period=600.0)
