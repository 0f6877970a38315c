"""Ranks a score among those of ordinary images: the package's own, and those of the site where it has a baseline.

A percentile is the number of lower baseline scores, divided by n + 1: the score itself counts as one more. An image
from the same source as the baseline reaches the percentile p with a probability of at most 1 − p/100, whatever the
distribution (conformal anomaly detection, Laxhammar and Falkman 2010). n images allow percentiles up to 100·n/(n + 1).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from miqa_node.core.files.whole_file import write_whole
from miqa_node.errors import SettingsError

LEAST_IMAGES = 200
"""With fewer images, a site's baseline could never reach the percentile 99.5."""
MOST_IMAGES = 20_000
MAX_FILE_BYTES = 2_000_000

Share = Annotated[float, Field(gt=0, lt=1)]


class SiteBaseline(BaseModel):
    """The file ``<data_dir>/anomaly/<package>.json``; ``anomaly_sha256`` identifies the package's anomaly file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    package: str
    anomaly_sha256: str
    site: str
    made_at: datetime
    scores: Annotated[tuple[Share, ...], Field(min_length=LEAST_IMAGES, max_length=MOST_IMAGES)]


def percentile(score: float, ordinary: NDArray[np.float64]) -> float:
    """Percentile of a score among sorted scores."""
    return 100.0 * int(np.searchsorted(ordinary, score, side="left")) / (len(ordinary) + 1)


def baseline_path(data_dir: Path, package: str) -> Path:
    """Path of the site's baseline for a package."""
    return data_dir / "anomaly" / f"{package}.json"


def read_baseline(path: Path) -> SiteBaseline:
    """The site's baseline.

    Raises
    ------
    SettingsError
        The file cannot be read or is not a baseline.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SettingsError(f"{path.name}: an anomaly baseline is never larger than {MAX_FILE_BYTES} bytes.")
        return SiteBaseline.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path.name} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise SettingsError(f"{path.name} is not an anomaly baseline: make one with miqa-node models baseline.") from (
            error
        )


def write_baseline(path: Path, baseline: SiteBaseline) -> None:
    """Write the file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, baseline.model_dump_json())


def make_baseline(
    scores: Iterable[float], *, package: str, anomaly_sha256: str, site: str, now: datetime
) -> SiteBaseline:
    """The baseline made of a site's scores.

    Raises
    ------
    SettingsError
        There are too few scores; the message says how many are needed.
    """
    ranking = sorted(round(score, 6) for score in scores)
    if len(ranking) < LEAST_IMAGES:
        raise SettingsError(
            f"{len(ranking)} images are too few for a baseline: {LEAST_IMAGES} are needed, since n images can place "
            "another one at the percentile 100 n / (n + 1) at most."
        )
    return SiteBaseline(
        package=package, anomaly_sha256=anomaly_sha256, site=site, made_at=now, scores=tuple(ranking[:MOST_IMAGES])
    )
