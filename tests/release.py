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
    texts = sorted(faults)
    assert not (texts and is_release()), "\n".join(texts)
    for fault in texts:
        warnings.warn(f"Until a release: {fault}", stacklevel=2)  # pyproject.toml lets warnings with this beginning be
