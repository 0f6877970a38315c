"""All enhancement methods by name: each function takes levels and returns levels and a description of the step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from miqa_node.errors import SettingsError
from miqa_node.stages.assess.enhance.collaborative import collaborative_filter
from miqa_node.stages.assess.enhance.contrast import amplify_details, equalise
from miqa_node.stages.assess.enhance.nonlocal_means import nonlocal_means
from miqa_node.stages.assess.enhance.plane import Levels
from miqa_node.stages.assess.enhance.wavelet import wavelet_shrinkage

Function = Callable[[Levels], tuple[Levels, str]]
"""From levels, float32 (rows, columns), 0 black and 1 white, to enhanced levels and the step in words."""

LEARNED = "learned"
"""The method that needs a model package (:mod:`.denoiser`)."""
JOIN = "+"


class Purpose(StrEnum):
    """Purpose of a method."""

    DENOISE = "denoise"
    CONTRAST = "contrast"


@dataclass(frozen=True, slots=True)
class EnhancementMethod:
    """One method; ``what`` describes it in a few words."""

    name: str
    purpose: Purpose
    what: str
    function: Function | None
    """None for the learned method, whose function comes with its package."""


METHODS: Mapping[str, EnhancementMethod] = {
    method.name: method
    for method in (
        EnhancementMethod(LEARNED, Purpose.DENOISE, "residual network of the package denoiser", None),
        EnhancementMethod("nlm", Purpose.DENOISE, "non-local means", nonlocal_means),
        EnhancementMethod("wavelet", Purpose.DENOISE, "BayesShrink of wavelets", wavelet_shrinkage),
        EnhancementMethod(
            "bm3d", Purpose.DENOISE, "collaborative filtering of the BM3D type; slow", collaborative_filter
        ),
        EnhancementMethod("clahe", Purpose.CONTRAST, "contrast-limited adaptive histogram equalisation", equalise),
        EnhancementMethod(
            "multiscale", Purpose.CONTRAST, "multi-scale contrast on a Laplacian pyramid", amplify_details
        ),
    )
}


def parse_methods(text: str) -> tuple[EnhancementMethod, ...]:
    """The methods of a chain such as ``learned+multiscale``, in order; SettingsError lists the known ones.

    >>> [method.name for method in parse_methods("nlm+clahe")]
    ['nlm', 'clahe']
    """
    names = [name.strip() for name in text.split(JOIN)]
    if unknown := [name for name in names if name not in METHODS]:
        raise SettingsError(
            f"There is no enhancement method {unknown[0]!r}; there are {', '.join(METHODS)}, "
            f"and chains of them such as learned{JOIN}multiscale."
        )
    return tuple(METHODS[name] for name in names)
