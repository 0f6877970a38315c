"""What can keep gradients or maps from being added to a graph."""

from __future__ import annotations


class GradientError(Exception):
    """The graph lacks a tensor that was named, or it cannot be differentiated."""


class UnsupportedOperatorError(GradientError):
    """The graph has an operator that gradients cannot be taken through; the text names it."""
