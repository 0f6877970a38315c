"""Reasons why gradients or maps cannot be added to a graph."""

from __future__ import annotations


class GradientError(Exception):
    """The graph lacks a named tensor, or it cannot be differentiated."""


class UnsupportedOperatorError(GradientError):
    """The graph has an operator without a gradient; the message names it."""
