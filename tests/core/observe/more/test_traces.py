# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""Traces of a real node, as a collector reads them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from miqa_node.core.observe.traces import set_up_traces, span
from miqa_node.core.settings import TelemetrySettings
from miqa_node.errors import SettingsError
from miqa_node.node import Node
from tests.core.observe.test_traces import Collect, _spans, collected
from tests.node.test_node import settings_in
from tests.sending import judged
from tests.stages.deliver.serving import QuietHandler, serving


def test_the_way_of_an_image_is_one_trace(collected: Collect, samples: Path, tmp_path: Path) -> None:
    image = pydicom.dcmread(samples / "RG1_UNCR.dcm")

    def judge() -> None:
        with Node(settings_in(tmp_path)) as node:
            judged(node, image, 60.0)

    requests = collected(judge)
    spans = _spans(requests)
    (job,) = [one for one in spans if one.name == "job"]
    below = {one.name for one in spans if one.trace_id == job.trace_id and one.span_id != job.span_id}
    assert {"decode", "measure", "report"} <= below
    assert str(image.PatientName).encode() not in b"".join(request.SerializeToString() for request in requests)
