"""Holds a number of the node against an independent source of the same number, as closely as the measurement says."""

from __future__ import annotations

from miqa_node.core.domain.measurand import measurand_of


def agree(name: str, measured: float, truth: float) -> None:
    """AssertionError if they differ by more than the measurement's ``agreement``."""
    measurand = measurand_of(name)
    assert measurand is not None, name
    assert measurand.is_proven, f"{name} has no agreement"
    most = max(measurand.agreement, measurand.agreement_share * abs(truth))
    assert abs(measured - truth) <= most, f"{name}: {measured:.6g} here, {truth:.6g} by the source, at most {most:.3g}"
