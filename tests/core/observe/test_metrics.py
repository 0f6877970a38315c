"""Metrics as Prometheus reads them."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families

from miqa_node.core.observe import metrics


def test_the_text_is_what_prometheus_parses_and_only_ours() -> None:
    metrics.IMAGES.labels(verdict="ACCEPT").inc(0)

    families = list(text_string_to_metric_families(metrics.exposition().decode()))

    assert families
    assert all(family.name.startswith("miqa_") and family.documentation for family in families)
    assert not [f.name for f in families if f.name.endswith("_created")]


def test_timed_also_counts_what_failed() -> None:
    registry = CollectorRegistry()
    histogram = Histogram("t", "time", registry=registry)

    with pytest.raises(KeyError), metrics.timed(histogram):
        raise KeyError

    assert registry.get_sample_value("t_count") == 1
