"""Sends the steps of jobs and their durations to an OpenTelemetry collector, if the settings name one.

Spans contain digests and kinds. Of an error only the type is sent, as in the log: its message might quote a data set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from miqa_node import __version__
from miqa_node.core.settings import TelemetrySettings
from miqa_node.errors import SettingsError
from miqa_node.plugins import addition

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_tracer: Tracer | None = None


def set_up_traces(settings: TelemetrySettings, node: str) -> Callable[[], None]:
    """Begin to send spans to ``telemetry.traces_url``, if it is set; the returned function sends the last spans.

    Raises
    ------
    SettingsError
        The extra ``telemetry`` is not installed.
    """
    global _tracer  # noqa: PLW0603 - one a process, as OpenTelemetry's own
    if not settings.traces_url:
        return lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsError(f"telemetry.traces_url needs more: {addition('telemetry')}") from error
    service = {"service.name": "miqa-node", "service.instance.id": node, "service.version": __version__}
    provider = TracerProvider(resource=Resource.create(service))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.traces_url)))
    _tracer = provider.get_tracer("miqa_node")
    return provider.shutdown


@contextmanager
def span(name: str, **attributes: str) -> Iterator[None]:
    """The block is one span, a child of the current one; without a collector this costs nothing."""
    if _tracer is None:
        yield
        return
    from opentelemetry.trace import Status, StatusCode

    named = {f"miqa.{key}": value for key, value in attributes.items()}
    with _tracer.start_as_current_span(
        name, attributes=named, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield
        except Exception as error:
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def add_span(name: str, seconds: float, ended_at_ns: int) -> None:
    """Add a span for work of another process; ``ended_at_ns`` is wall-clock time."""
    if _tracer is not None:
        _tracer.start_span(name, start_time=ended_at_ns - round(seconds * 1e9)).end(ended_at_ns)
