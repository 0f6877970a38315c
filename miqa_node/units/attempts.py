"""Attempts to judge a unit: counts them, and decides whether the image or the node is to blame for a failure."""

from __future__ import annotations

import structlog

log = structlog.get_logger(__name__)

SLOW_S = 10.0
"""A decoder that ran out of time is not to blame if reading the original took so long as well: the store hung."""
