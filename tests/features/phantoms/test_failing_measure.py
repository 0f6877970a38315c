"""Measures are plug-ins; pixels that one cannot cope with cost its values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from miqa_node.features.phantoms import measuring
from miqa_node.features.phantoms.measure import PhantomMeasure, measures_in_order
from miqa_node.features.phantoms.measuring import values_of
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from miqa_phantoms import piu, psg
from tests.conftest import ROOT
from tests.packages.phantoms.drawing import stack


def no_number(stack: PhantomStack, measure: PhantomMeasure) -> Sequence[PhantomValue]:
    return (measure.values[0].read(float("nan"), measure.source, stack.read_on(0)),)


def test_a_measure_that_fails_says_so_and_the_others_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    some = (replace(piu.MEASURE, run=no_number), psg.MEASURE)
    monkeypatch.setattr(measuring, "measures_in_order", lambda: some)
    values = values_of(stack([np.zeros((64, 64))] * 2), "acr_mr_large")
    assert [one.name for one in values] == ["piu_percent", "psg_percent"]
    assert [one.value for one in values] == [None, None]
    assert "the log of the node" in values[0].reason
    assert "localizer" in values[1].reason


def test_nothing_is_measured_of_an_unknown_kind() -> None:
    assert values_of(stack([np.zeros((64, 64))]), "teapot") == ()
    assert values_of(stack([np.zeros((64, 64))]), "") == ()


def test_a_measure_of_another_distribution_joins_the_kind_that_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "phantom"))
    another = import_module("miqa_example_middle_signal").MEASURE
    ours = measures_in_order()
    assert [one.order for one in ours] == list(range(1, 28))
    monkeypatch.setattr(measuring, "measures_in_order", lambda: [*ours, another])
    names = [one.name for one in values_of(stack([np.full((64, 64), 7.0)] * 3), "mr_uniform")]
    assert names[-1] == "middle_signal"
    assert len(names) > 1
