"""What the unit of an object says of its kind, so that no later stage asks for SOP class or modality."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageTraits:
    """How an image is measured and what its header should hold; the defaults say nothing of it.

    ``expected`` names fields of :class:`~miqa_node.domain.instance.Header` that should not be empty.
    """

    is_radiograph: bool = False
    """Whether the measurements of radiographs apply to the frame that represents it."""
    is_single_exposure: bool = False
    """Whether body part, view, orientation and grayscale are checked."""
    expected: frozenset[str] = frozenset()
    shows_breast: bool | None = None
    """None where the kind of image does not decide it."""


@dataclass(frozen=True, slots=True)
class SeriesTraits:
    """How a series is judged."""

    unjudged: str
    """Why no package judges it, if none is installed."""
    may_show_phantom: bool = False
    """Whether a test object can be recognised by its pixels."""
    hounsfield: bool = False
    """Whether pixel values are Hounsfield units; else only their relation to each other has a meaning."""
