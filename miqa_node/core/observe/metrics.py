"""All Prometheus metrics of the node, published at ``GET /metrics``.

A metric's labels come from small closed sets (states, stages, configured destinations), never from a data set or a
peer, so a sender can neither fill the memory of the monitoring nor put patient data into it.
All are documented in docs/reference/metrics.md, which a test compares with this module.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

REGISTRY = CollectorRegistry(auto_describe=True)
"""The node's own registry: metrics that libraries add to the global registry are not published."""

CONTENT_TYPE = CONTENT_TYPE_LATEST

# They double the number of series and only give the start of this process. The library lacks the annotation.
_disable_created: Callable[[], None] = disable_created_metrics
_disable_created()

_RECEIVE_BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_STAGE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)
_DELIVERY_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# receive

CSTORE_RECEIVED = Counter(
    "miqa_cstore_received_total",
    "C-STORE requests answered, by the status of the answer as four hexadecimal digits (PS3.4 B.2.3).",
    ["status"],
    registry=REGISTRY,
)
CSTORE_RECEIVE_SECONDS = Histogram(
    "miqa_cstore_receive_seconds",
    "Time from the last byte of a C-STORE request to its answer: reading the header, making the object durable.",
    buckets=_RECEIVE_BUCKETS_S,
    registry=REGISTRY,
)
ASSOCIATIONS_OPEN = Gauge(
    "miqa_associations_open",
    "DICOM associations that peers hold open with this process.",
    registry=REGISTRY,
)

CONNECTIONS_REFUSED = Counter(
    "miqa_connections_refused_total",
    "Connections closed before they became a DICOM association: unlisted (the address is on no list), crowded (it "
    "holds too many silent ones) or late (it did not ask for an association in time).",
    ["reason"],
    registry=REGISTRY,
)

# assess and decide

IMAGES = Counter(
    "miqa_images_total",
    "Images that got their verdict.",
    ["verdict"],
    registry=REGISTRY,
)
STAGE_SECONDS = Histogram(
    "miqa_stage_seconds",
    "Time that one image spent in one stage of its way, for example decode, measure, infer, report.",
    ["stage"],
    buckets=_STAGE_BUCKETS_S,
    registry=REGISTRY,
)
WORKER_DEATHS = Counter(
    "miqa_worker_deaths_total",
    "Processes that ended while they worked on an image: over its memory or time, crash, or killed (from outside); "
    "and the inference process (inference).",
    ["reason"],
    registry=REGISTRY,
)
SHADOW_IMAGES = Counter(
    "miqa_shadow_images_total",
    "Images offered to the shadow package: judged, failed (it crashed, hung or refused) or dropped (too many waited).",
    ["outcome"],
    registry=REGISTRY,
)
JOBS_WAITING = Gauge(
    "miqa_jobs_waiting",
    "Images received whose durable work is not finished.",
    registry=REGISTRY,
)

# deliver

DELIVERIES = Counter(
    "miqa_deliveries_total",
    "Attempts to deliver one object: sent, failed (tried again later) or refused (given up).",
    ["destination", "outcome"],
    registry=REGISTRY,
)
DELIVERY_SECONDS = Histogram(
    "miqa_delivery_seconds",
    "Time of one attempt to deliver one object.",
    ["destination"],
    buckets=_DELIVERY_BUCKETS_S,
    registry=REGISTRY,
)
COMMITMENTS = Counter(
    "miqa_commitments_total",
    "Objects and storage commitment: asked, failed (asked again later), unsupported; reported as kept or as lacking.",
    ["destination", "outcome"],
    registry=REGISTRY,
)
DELIVERIES_WAITING = Gauge(
    "miqa_deliveries_waiting",
    "Objects that are queued for a destination.",
    ["destination"],
    registry=REGISTRY,
)
DELIVERIES_FAILED = Gauge(
    "miqa_deliveries_failed",
    "Objects that were given up for a destination and wait for a person.",
    ["destination"],
    registry=REGISTRY,
)
DELIVERY_OLDEST_SECONDS = Gauge(
    "miqa_delivery_oldest_seconds",
    "Age of the oldest object that is queued or given up for a destination; 0 if there is none.",
    ["destination"],
    registry=REGISTRY,
)

# keep

OBJECTS_UNSOUND = Gauge(
    "miqa_objects_unsound",
    "Stored objects that were found lost or damaged and are not mended yet: originals, and results made from them.",
    ["kind", "state"],
    registry=REGISTRY,
)
RETENTION_REMOVED = Counter(
    "miqa_retention_removed_total",
    "Originals that retention removed.",
    registry=REGISTRY,
)
RETENTION_REMOVED_BYTES = Counter(
    "miqa_retention_removed_bytes_total",
    "Bytes of the originals that retention removed.",
    registry=REGISTRY,
)
STORE_FREE_BYTES = Gauge(
    "miqa_store_free_bytes",
    "Free bytes on the disk of the objects.",
    registry=REGISTRY,
)
STORE_DAYS_UNTIL_FULL = Gauge(
    "miqa_store_days_until_full",
    "Days until the disk of the objects is full if the trend of the last week goes on; +Inf if it does not fill.",
    registry=REGISTRY,
)

CERTIFICATE_EXPIRY = Gauge(
    "miqa_certificate_expiry_timestamp_seconds",
    "When a certificate that the node presents ends, by its setting or destination; seconds since 1970.",
    ["certificate"],
    registry=REGISTRY,
)

# web

HTTP_CLOSED = Counter(
    "miqa_http_connections_closed_total",
    "HTTP connections closed by the node: crowded (it or its address had too many) or slow (a request or an answer "
    "took too long).",
    ["reason"],
    registry=REGISTRY,
)

# worklist and node

WORKLIST_OPEN = Gauge(
    "miqa_worklist_open",
    "Flagged studies that nobody has resolved yet.",
    registry=REGISTRY,
)
REASSESSMENTS_WAITING = Gauge(
    "miqa_reassessments_waiting",
    "Images that wait to be judged again.",
    registry=REGISTRY,
)
PAUSED = Gauge(
    "miqa_paused",
    "1 while images wait because the node cannot judge any, see the reasons of GET /readyz.",
    registry=REGISTRY,
)
STAGES_WAITING = Gauge(
    "miqa_stages_waiting",
    "Images whose work has waited for a disk, the database or the object store for more than 10 seconds.",
    registry=REGISTRY,
)
HEALINGS = Counter(
    "miqa_healings_total",
    "Attempts of the node to heal a part of itself that had ended or hung.",
    ["part"],
    registry=REGISTRY,
)
NOTICES = Counter(
    "miqa_notices_total",
    "Attempts to send notices by e-mail: sent, or failed.",
    ["kind", "outcome"],
    registry=REGISTRY,
)
NOTICES_UNSENT = Gauge(
    "miqa_notices_unsent",
    "Notices that wait for the mail server after a failed attempt, or were given up within the last week.",
    ["state"],
    registry=REGISTRY,
)
READY = Gauge(
    "miqa_ready",
    "1 when the node can do its work, 0 when GET /readyz gives reasons why not.",
    registry=REGISTRY,
)
BUILD_INFO = Info(
    "miqa_build",
    "Version of the node and name of the active model package.",
    registry=REGISTRY,
)


@contextmanager
def timed(histogram: Histogram) -> Iterator[None]:
    """Observe the duration of the block, even if it raises: ``with timed(STAGE_SECONDS.labels("decode"))``."""
    start = time.perf_counter()
    try:
        yield
    finally:
        histogram.observe(time.perf_counter() - start)


def exposition() -> bytes:
    """All metrics in the Prometheus text format."""
    return generate_latest(REGISTRY)
