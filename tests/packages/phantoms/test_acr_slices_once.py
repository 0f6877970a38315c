"""The kind of an ACR series and its measures find its slices once, and another stack is never taken for it."""

from __future__ import annotations

import numpy as np
import pytest

from miqa_node.libraries.phantom_shapes import acr
from tests.packages.phantoms.drawing import Acr, stack

pytestmark = pytest.mark.more


def test_slices_are_found_once_for_equal_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = stack(Acr(noise=3.0).images())
    question = drawn.images, drawn.places_mm, drawn.spacing_mm
    first = acr.find_acr_slices(*question)
    assert first is not None
    with monkeypatch.context() as patch:
        patch.setattr(acr, "find_disc", None)  # looking again would fail
        assert acr.find_acr_slices([image.copy() for image in question[0]], *question[1:]) is first
    brighter = [np.asarray(image + np.float32(1.0)) for image in question[0]]
    assert acr.find_acr_slices(brighter, *question[1:]) is not first
    assert acr.find_acr_slices(question[0], question[1], (0.9, 0.9)) is not first
    assert acr.find_acr_slices(question[0][::-1], *question[1:]) is not first
    assert len(acr._answers) <= acr.MOST_ANSWERS
