"""Says what images were taken for whose header, or whose sender, names no body part: what their pixels show."""

from __future__ import annotations

from collections import Counter

import typer

from miqa_node.core.domain.assessment import Assessment


class TakenParts:
    """Counts images by the body part that they were judged as."""

    def __init__(self) -> None:
        self._named = 0
        self._seen = Counter[str]()

    def add(self, assessment: Assessment) -> None:
        """Count one image."""
        if assessment.header.body_part_examined:
            self._named += 1
        else:
            self._seen[assessment.part_seen] += 1

    def say(self) -> None:
        """Print one line on the error stream, if nobody named the body part of some."""
        if not self._seen:
            return
        words = [f"{self._named} by what was said"] if self._named else []
        words += [f"{count} as {part} by their pixels" for part, count in sorted(self._seen.items()) if part]
        words += [f"{count} as no body part for sure"] if (count := self._seen[""]) else []
        typer.echo(f"Images were taken: {', '.join(words)}. --body-part says otherwise.", err=True)
