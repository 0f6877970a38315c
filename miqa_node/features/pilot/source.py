"""Where a pilot's images come from: an archive, or files; both list day by day, and give one at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from miqa_node.features.pilot.protocol import CountedSeries
from miqa_node.features.pilot.rows.images import FoundImage


class PilotSource(ABC):
    """One source of a pilot. Of one thread.

    Errors: DeliveryError where an archive does not answer or does not give something, UnreadableError and OSError of
    files.
    """

    @property
    def missing(self) -> Mapping[str, str]:
        """By day why not all of it could be listed, of those that were counted or listed."""
        return {}

    @abstractmethod
    def days(self) -> Sequence[str]:
        """The study dates to list, in order; empty for files without one."""

    @abstractmethod
    def count(self, day: str) -> Iterator[CountedSeries]:
        """What there is of a day, by series."""

    @abstractmethod
    def images(self, day: str) -> Iterator[FoundImage]:
        """The images of a day."""

    @abstractmethod
    def fetch(self, image: FoundImage, folder: Path) -> Path:
        """The file of an image, in ``folder`` or where it lies."""

    def ask(self) -> None:
        """A small question, whose answer time says how busy an archive is."""
        return

    def close(self) -> None:
        """End associations, remove unpacked files."""
        return
