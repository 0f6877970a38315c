"""Traits that the unit of an object declares, so that no later stage checks SOP class or modality."""

from __future__ import annotations

from dataclasses import dataclass

from miqa_node.core.domain.pixel_text import TextImageKind


@dataclass(frozen=True, slots=True)
class ImageTraits:
    """How an image is measured and what its header should contain; the defaults require nothing.

    ``expected`` names fields of :class:`~miqa_node.core.domain.instance.Header` that should not be empty.
    """

    is_radiograph: bool = False
    """Whether the measurements of radiographs apply to its representative frame."""
    is_single_exposure: bool = False
    """Whether body part, view, orientation and grayscale are checked."""
    expected: frozenset[str] = frozenset()
    shows_breast: bool | None = None
    """None if the kind of image does not determine it."""
    text_source: TextImageKind | None = None
    """What it is to the search for text in pixels; None if its pixels are never searched."""


@dataclass(frozen=True, slots=True)
class SeriesTraits:
    """How a series is judged."""

    unjudged: str
    """Why no package judges it, if none is installed."""
    untried: bool = False
    """No limits were tried on two scanners: what is measured is experimental."""
    may_show_phantom: bool = False
    """Whether a test object can be recognised by its pixels."""
    hounsfield: bool = False
    """Whether pixel values are Hounsfield units; otherwise only relative values have a meaning."""
