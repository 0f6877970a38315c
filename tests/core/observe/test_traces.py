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
from tests.node.test_node import settings_in
from tests.sending import judged
from tests.stages.deliver.serving import QuietHandler, serving

Collect = Callable[[Callable[[], None]], list[ExportTraceServiceRequest]]


class Collector(QuietHandler):
    """Takes spans by OTLP over HTTP."""

    requests: list[ExportTraceServiceRequest]

    def do_POST(self) -> None:  # noqa: N802 - as http.server calls it
        body = self.rfile.read(int(self.headers["content-length"]))
        self.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()


@pytest.fixture
def collected() -> Collect:
    """Does something with traces set up, and gives what the collector has got when they ended."""

    def collect(work: Callable[[], None]) -> list[ExportTraceServiceRequest]:
        requests: list[ExportTraceServiceRequest] = []
        with serving(type("ThisCollector", (Collector,), {"requests": requests})) as url:
            end = set_up_traces(TelemetrySettings(traces_url=f"{url}/v1/traces"), "miqa-1")
            try:
                work()
            finally:
                end()
        return requests

    return collect


def _spans(requests: list[ExportTraceServiceRequest]) -> list[Span]:
    return [
        one
        for request in requests
        for of in request.resource_spans
        for in_scope in of.scope_spans
        for one in in_scope.spans
    ]


def test_an_error_goes_out_by_its_type_only(
    collected: Collect,
) -> None:
    def fail() -> None:
        with pytest.raises(ValueError, match="Doe"), span("outer", digest="ab"), span("inner"):
            raise ValueError("Doe^Jane")

    requests = collected(fail)
    inner, outer = _spans(requests)
    assert (outer.name, inner.name, inner.parent_span_id) == ("outer", "inner", outer.span_id)
    assert inner.status.code == outer.status.code == 2
    assert inner.status.message == "ValueError"
    assert [(one.key, one.value.string_value) for one in outer.attributes] == [("miqa.digest", "ab")]
    assert b"Doe" not in b"".join(request.SerializeToString() for request in requests)
    resource = {one.key: one.value.string_value for one in requests[0].resource_spans[0].resource.attributes}
    assert (resource["service.name"], resource["service.instance.id"]) == ("miqa-node", "miqa-1")


def test_without_a_collector_nothing_is_set_up() -> None:
    set_up_traces(TelemetrySettings(traces_url=""), "miqa-1")()
    with span("nothing"):
        pass


def test_a_missing_library_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    cure = r"pip install 'opentelemetry-exporter-otlp-proto-http>=\S+' 'opentelemetry-sdk>="
    with pytest.raises(SettingsError, match=cure):
        set_up_traces(TelemetrySettings(traces_url="http://localhost:4318/v1/traces"), "miqa-1")


@pytest.mark.more
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
