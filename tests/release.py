"""What may wait until a release: a warning for everybody, a fault where ``make release-check`` runs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable

VARIABLE = "MIQA_RELEASE"
"""The variable of the environment that makes them faults."""


def is_release() -> bool:
    """Whether what waits for a release is due."""
    return VARIABLE in os.environ


def tell(faults: Iterable[str]) -> None:
    """Warn of each, or fail if this is a release."""
    told = sorted(faults)
    assert not (told and is_release()), "\n".join(told)
    for fault in told:
        warnings.warn(f"Until a release: {fault}", stacklevel=2)  # pyproject.toml lets warnings with this beginning be
