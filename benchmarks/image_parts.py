"""Says where the processor time of a judged radiograph goes, part by part, for ``benchmarks.processor_time --parts``.

Images are judged and reported in this process as in a worker of a node, with a clock at the borders of parts
(:class:`benchmarks.slice_parts.PartClock`); receiving and the node's own process are measured on a node. The table
stands in ``docs/explanation/capacity.md``, which is written anew.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from resource import RUSAGE_SELF, getpagesize, getrusage
from typing import Any

import cv2

from benchmarks.latency import WARM_UP, one_after_the_other
from benchmarks.load import alone, new_images, receiving_ms, running
from benchmarks.slice_parts import PartClock
from miqa_node import local, pipeline
from miqa_node.core.settings import load_settings
from miqa_node.dicom.pixels import reduction
from miqa_node.local import LocalAssessor, LocalTools, assess_path
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.workers import child
from miqa_node.stages.assess import assessor
from miqa_node.stages.assess.anomaly.detector import AnomalyDetector
from miqa_node.stages.assess.contracts.two_branch import TwoBranch
from miqa_node.stages.assess.landmarks.estimate import LandmarkNetwork
from miqa_node.stages.assess.objects.network import ObjectNetwork
from miqa_node.stages.assess.session import GraphSession
from miqa_node.stages.conclusion import verdict
from miqa_node.stages.explain.explainer import Explainer
from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.report import image as reported_image
from miqa_node.stages.report import make
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.units import image

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "capacity.md"
BEGIN, END = "<!-- parts of an image: python -m benchmarks.processor_time --parts -->\n", "<!-- end of the parts -->\n"
ROUNDS = 8
NOT_OF_A_NODE, ALL_ELSE = "elsewhere", "all else"
LEAST_MS = 0.5
"""Smaller parts are one row."""


def measure_parts() -> dict[str, Any]:
    """All parts; the page is written anew."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{number}.dcm") for number in range(2)]
        for file, sample in zip(files, new_images(2), strict=True):
            file.write_bytes(sample.data)
        worker_ms, fresh_mb = parts_of(files)
    result = {"node_ms": node_ms(), "worker_ms": worker_ms, "fresh_mb": round(fresh_mb, 2)}
    text = PAGE.read_text("utf-8")
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: BEGIN + table(result) + END, text, flags=re.DOTALL), "utf-8")
    return result


def parts_of(files: Sequence[Path]) -> tuple[dict[str, float], float]:
    """Milliseconds of an image in a worker by part, the dearest first, and megabytes of fresh memory.

    Memory is fresh that the system gave and cleared: pages of this process that were touched first.
    """
    clock, settings, images = PartClock(), load_settings(), ROUNDS * len(files)
    cv2.setNumThreads(1)
    _set_up(clock)
    with LocalAssessor(settings, reports=ReportSettings()) as judging:
        source, decode = judging.tools, partial(child.decode_here, max_pixels=settings.imaging.max_pixels)
        tools = LocalTools(source.assessor, source.policy, source.certify, decode, source.reports, source.anatomy)
        judge = clock.part(ALL_ELSE, assess_path)
        for round_number in range(ROUNDS + 1):
            for path in files:
                judge(path, ("DX", "", ""), tools)
            if not round_number:  # packages were opened
                clock.seconds.clear()
                before = getrusage(RUSAGE_SELF).ru_minflt
    fresh_mb = (getrusage(RUSAGE_SELF).ru_minflt - before) * getpagesize() / 1e6 / images
    ms: dict[str, float] = {}
    for part, seconds in clock.seconds.items():
        one = 1e3 * seconds / images
        name = part if one >= LEAST_MS or ":" not in part else f"{part.partition(':')[0]}: others"
        ms[name] = ms.get(name, 0.0) + one
    del ms[NOT_OF_A_NODE]
    return {part: round(one, 1) for part, one in sorted(ms.items(), key=lambda row: -row[1])}, fresh_mb


def node_ms() -> dict[str, float]:
    """Milliseconds of an image in the processes of a node."""
    with tempfile.TemporaryDirectory() as folder:
        with running(Path(folder, "receiver"), "receive") as site:
            receive_ms = receiving_ms(site)
        with running(Path(folder, "node"), "all") as site:
            one_after_the_other(site.modality, site.pacs, new_images(WARM_UP))
            _, own_ms, judge_ms = alone(site)
    parts = {"receive": receive_ms, "own process: jobs, statements, delivery": own_ms - receive_ms, "worker": judge_ms}
    return {part: round(ms, 1) for part, ms in parts.items()}


def table(result: dict[str, Any]) -> str:
    """The budget as a table of Markdown."""
    rows = [f"| {part} | {ms:.1f} |" for part, ms in result["node_ms"].items()]
    rows += [f"| in a worker: {part} | {ms:.1f} |" for part, ms in result["worker_ms"].items()]
    return "\n".join(("| | ms |", "|---|---|", *rows, f"\nFresh memory in a worker: {result['fresh_mb']} MB.\n"))


def _set_up(clock: PartClock) -> None:
    """Put the clock at the borders of parts."""
    places: list[tuple[Any, str, str]] = [
        (Database, "in_memory", NOT_OF_A_NODE),
        (local, "digest_of", NOT_OF_A_NODE),
        (pipeline.Pipeline, "receive", NOT_OF_A_NODE),
        (child, "decode_frame", "decode"),
        (reduction, "reduced", "shrink"),
        (assessor, "check", "plausibility"),
        (assessor, "appearance_of", "measure: appearance"),
        (TwoBranch, "prepare", "prepare: quality"),
        (LandmarkNetwork, "glance", "prepare: landmarks"),
        (LandmarkNetwork, "closer", "prepare: landmarks"),
        (ObjectNetwork, "evidence", "prepare: objects"),
        (AnomalyDetector, "judge", "anomaly"),
        (Explainer, "explain", "explain"),
        (image, "preview_png", "preview"),
        (verdict, "decide", "rules"),
        (pipeline.Pipeline, "_write", "statements"),
        (reported_image, "regions_of", "regions of maps"),
        (make, "check_file", "check of objects"),
    ]
    for owner, name, part in places:
        setattr(owner, name, clock.part(part, getattr(owner, name)))
    _by_object(clock, GraphSession, "run", lambda session: f"network: {session.name or 'gradients'}")
    _by_object(clock, ImageMeasure, "measure", lambda one: f"measure: {one.name}")
    _by_object(clock, make, "_make", lambda output: f"object: {output.kind}")


def _by_object(clock: PartClock, owner: Any, name: str, part: Callable[[Any], str]) -> None:
    """Clock a function whose part depends on its first argument."""
    function = getattr(owner, name)

    @wraps(function)
    def timed(own: Any, *arguments: Any) -> Any:
        return clock.part(part(own), function)(own, *arguments)

    setattr(owner, name, timed)
