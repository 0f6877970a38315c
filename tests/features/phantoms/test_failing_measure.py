"""Pixels that a measure cannot cope with cost its values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from miqa_node.features.phantoms import measuring
from miqa_node.features.phantoms.measures import piu, psg
from miqa_node.features.phantoms.measures.base import Measure
from miqa_node.features.phantoms.measuring import values_of
from miqa_node.features.phantoms.stack import PhantomStack
from miqa_node.features.phantoms.values import PhantomValue
from tests.features.phantoms.drawing import stack


def no_number(stack: PhantomStack, measure: Measure) -> Sequence[PhantomValue]:
    return (measure.values[0].read(float("nan"), measure.source, stack.read_on(0)),)


def test_a_measure_that_fails_says_so_and_the_others_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "MEASURES", (replace(piu.MEASURE, run=no_number), psg.MEASURE))
    values = values_of(stack([np.zeros((64, 64))] * 2), "acr_mr_large")
    assert [one.name for one in values] == ["piu_percent", "psg_percent"]
    assert [one.value for one in values] == [None, None]
    assert "the log of the node" in values[0].reason
    assert "localizer" in values[1].reason


def test_nothing_is_measured_of_an_unknown_kind() -> None:
    assert values_of(stack([np.zeros((64, 64))]), "teapot") == ()
    assert values_of(stack([np.zeros((64, 64))]), "") == ()
