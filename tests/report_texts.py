"""Reads the texts of a structured report."""

from __future__ import annotations

from pydicom.dataset import Dataset


def texts(item: Dataset, concept: str) -> list[str]:
    """The texts of a report that stand for a concept."""
    matches = []
    for child in item.get("ContentSequence", []):
        names = child.get("ConceptNameCodeSequence", [])
        if names and names[0].CodeValue == concept:
            matches.append(str(child.TextValue))
        matches += texts(child, concept)
    return matches
