"""Percentiles keep what they promise, and a site's baseline takes effect while the node runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from miqa_node.errors import SettingsError
from miqa_node.stages.assess.anomaly.baseline import (
    LEAST_IMAGES,
    SiteBaseline,
    baseline_path,
    make_baseline,
    percentile,
    read_baseline,
    write_baseline,
)

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def made(scores: list[float], sha256: str = "ab" * 32) -> SiteBaseline:
    return make_baseline(scores, package="quality-1.0.0", anomaly_sha256=sha256, site="Test", now=NOW)


def test_percentiles_count_the_image_itself() -> None:
    ordinary = np.linspace(0.3, 0.5, 200)

    assert percentile(0.2, ordinary) == 0.0
    assert percentile(0.9, ordinary) == pytest.approx(100 * 200 / 201)
    assert percentile(float(ordinary[100]), ordinary) == pytest.approx(100 * 100 / 201)


@pytest.mark.parametrize("limit", [90.0, 95.0, 99.5])
def test_images_of_the_baselines_own_kind_exceed_a_limit_as_rarely_as_promised(limit: float) -> None:
    """100 sites of 250 images each, judged with 250 further ones; five standard errors of room."""
    rng = np.random.default_rng(5)
    above = []
    for _ in range(100):
        own, new = np.sort(rng.lognormal(sigma=1.5, size=250)), rng.lognormal(sigma=1.5, size=250)
        above.append(np.mean([percentile(float(score), own) >= limit for score in new]))

    promised = 1 - limit / 100
    assert promised / 3 < np.mean(above) < promised + 5 * np.std(above) / 10


def test_the_least_baseline_reaches_the_shipped_limit_and_one_fewer_does_not() -> None:
    assert percentile(1.0, np.zeros(LEAST_IMAGES)) >= 99.5
    assert percentile(1.0, np.zeros(LEAST_IMAGES - 2)) < 99.5


def test_too_few_images_make_no_baseline() -> None:
    with pytest.raises(SettingsError, match=r"199 images are too few.* 200 are needed"):
        made([0.4] * 199)


def test_a_baseline_comes_back_from_its_file(tmp_path: Path) -> None:
    path = baseline_path(tmp_path, "quality-1.0.0")
    baseline = made([0.5, *[0.4] * 250])
    write_baseline(path, baseline)

    assert read_baseline(path) == baseline
    assert baseline.scores == (*[0.4] * 250, 0.5)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": 2}', b"\xff"])
def test_a_file_that_is_no_baseline_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "b.json"
    path.write_bytes(content)

    with pytest.raises(SettingsError, match="models baseline"):
        read_baseline(path)
