"""Sends synthetic images through a temporary node on real ports, and checks verdicts and delivered results.

Each modality is sent in every transfer syntax that can be written here, so a missing codec shows at once, and with
known defects. If the public sample radiographs are installed, they follow, the chest also with such defects.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom.uid import ExplicitVRLittleEndian

from miqa_node import __version__
from miqa_node.core.domain.delivery import SEG, SR, ResultKind
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.errors import SettingsError
from miqa_selftest.encodings import ENCODINGS, PhantomEncoding, encoded
from miqa_selftest.launch import NodeProcess
from miqa_selftest.outcome import SampleOutcome, modality_target, wait
from miqa_selftest.pacs import AE_TITLE, ReceivingPacs
from miqa_selftest.phantoms import DEFECTS, KINDS, PhantomDefect, PhantomKind, make
from miqa_selftest.radiographs import SampleImage, SimulatedDefect, make_radiographs
from miqa_selftest.send import StoreReceipt, send

NODE_AE_TITLE = "MIQASELFTEST"
QUIET_S = 1.0
"""Series of the test are complete when they arrive: the node need not wait for more."""
ANY = frozenset(Verdict)
NOT_ACCEPTED = ANY - {Verdict.ACCEPT}
NOT_SENT = StoreReceipt(0.0, "not sent")
CHEST_DEFECTS = tuple(
    SimulatedDefect(finding, title, f"ST-{defect.upper()}", 1.0, DEFECTS[defect])
    for finding, title, defect in (
        (FindingName.UNSHARP, "blurred", PhantomDefect.BLUR),
        (FindingName.NOISE, "noisy", PhantomDefect.NOISE),
        (FindingName.GATE, "grey scale inverted", PhantomDefect.INVERTED),
    )
)
"""Of the real chest, with the simple means of the phantoms: the simulators in physical units come with training."""


@dataclass(slots=True)
class CommissioningCheck:
    """One image of the test with its result and faults."""

    modality: str
    title: str
    syntax: str
    lossless: bool
    defect: str
    outcome: SampleOutcome
    faults: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """The node's verdict; empty if there is none."""
        return str(self.outcome.disposition.get("verdict", ""))


@dataclass(slots=True)
class CommissioningRecord:
    """Content of a commissioning record."""

    made_at: str
    version: str
    machine: str
    model: dict[str, Any] | None
    checks: list[CommissioningCheck]
    faults: list[str]
    notes: list[str]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether all checks passed."""
        return not self.faults and not any(check.faults for check in self.checks)


def run(folder: Path, config: Path | None, limit_s: float) -> CommissioningRecord:
    """Start a node in ``folder`` with the settings of ``config``, test it, and stop everything.

    Raises
    ------
    MiqaError
        The node does not start.
    """
    started = time.monotonic()
    checks, notes = _phantom_checks()
    try:
        for sample in make_radiographs(CHEST_DEFECTS):
            defect = sample.simulated or "none"
            checks.append(
                CommissioningCheck(
                    "CR", sample.title, ExplicitVRLittleEndian.name, True, defect, SampleOutcome(sample, NOT_SENT)
                )
            )
    except SettingsError as missing:
        notes.append(f"Without a real chest radiograph: {missing}")
    quiet = {f"MIQA_WORK__{kind.modality}_QUIET_S": str(QUIET_S) for kind in KINDS if kind.is_slice}
    more = ("--config", str(config)) if config is not None else ()
    with ReceivingPacs(folder / "pacs") as pacs:
        destination = f"{AE_TITLE}={AE_TITLE}@127.0.0.1:{pacs.port}"
        node = NodeProcess(
            folder / "node",
            NODE_AE_TITLE,
            0,
            0,
            destination,
            more=more,
            environment=quiet,
            start_limit_s=limit_s,
        )
        with node:
            sent = send([check.outcome.sample for check in checks], modality_target(node), load_settings().deliver)
            for check, one in zip(checks, sent, strict=True):
                check.outcome.sent = one
            wait([check.outcome for check in checks], node, pacs, limit_s)
            listed = {item["study_instance_uid"] for item in node.worklist()}
            for check in checks:
                check.faults = _faults(check, pacs, listed)
            faults = _together(checks) + ([] if node.running() else ["The node ended unexpectedly."])
    judged = (((check.outcome.document or {}).get("assessment") or {}).get("model") for check in checks)
    model = next((one for one in judged if one), None)
    return CommissioningRecord(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        machine=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        model=model,
        checks=checks,
        faults=faults,
        notes=notes,
        seconds=round(time.monotonic() - started, 1),
    )


def _phantom_checks() -> tuple[list[CommissioningCheck], list[str]]:
    checks, notes = [], []
    for kind in KINDS:
        for encoding in ENCODINGS:
            if encoding.bits == 8 and kind.is_slice:
                continue
            try:
                checks.append(_check(kind, PhantomDefect.NONE, encoding))
            except Exception as error:  # noqa: BLE001 - an encoder raises whatever it likes; that syntax is then not sent
                notes.append(f"{encoding.syntax.name} cannot be written here ({type(error).__name__}).")
        plain = next(e for e in ENCODINGS if e.syntax == ExplicitVRLittleEndian)
        checks += [_check(kind, defect, plain) for defect in PhantomDefect if defect is not PhantomDefect.NONE]
    return checks, list(dict.fromkeys(notes))


def _check(kind: PhantomKind, defect: PhantomDefect, encoding: PhantomEncoding) -> CommissioningCheck:
    ds = make(kind, defect, encoding.syntax)
    title = f"{kind.modality} phantom" + ("" if defect is PhantomDefect.NONE else f", {defect.value}")
    expected = NOT_ACCEPTED if defect is PhantomDefect.BLANK and kind.blank_is_flagged else ANY
    sample = SampleImage(
        title=title,
        sop_class_uid=str(ds.SOPClassUID),
        sop_instance_uid=str(ds.SOPInstanceUID),
        study_instance_uid=str(ds.StudyInstanceUID),
        data=encoded(ds, encoding),
        expected=expected,
    )
    return CommissioningCheck(
        kind.modality, title, encoding.syntax.name, encoding.lossless, defect.value, SampleOutcome(sample, NOT_SENT)
    )


def _faults(check: CommissioningCheck, pacs: ReceivingPacs, listed: set[str]) -> list[str]:
    outcome = check.outcome
    if outcome.sent.error:
        return [f"It was not stored: {outcome.sent.error}"]
    if not check.verdict:
        return ["There is no verdict within the time limit."]
    faults = []
    verdict = Verdict(check.verdict)
    if verdict not in outcome.sample.expected:
        expected = " or ".join(sorted(outcome.sample.expected))
        faults.append(f"The verdict is {verdict}; it should be {expected}.{_why(outcome.disposition)}")
    kinds = {ResultKind(result["kind"]) for result in outcome.results}
    if SR not in kinds:
        faults.append("There is no report.")
    faults += [f"The {kind} did not arrive." for kind in sorted(kinds - set(outcome.arrivals))]
    if SR in kinds and pacs.report_about(outcome.sample.sop_instance_uid) is None:
        faults.append("No report that arrived names the image.")
    if SEG in outcome.arrivals:
        faults += _seg_faults(outcome)
    # An image that shows something else than its header says is not assessed, and wants attention all the same.
    flagged = verdict.flagged or bool(outcome.disposition.get("attention"))
    if flagged != (outcome.sample.study_instance_uid in listed):
        faults.append("The worklist does not have the study." if flagged else "The worklist has the study.")
    return faults


def _why(disposition: Mapping[str, Any]) -> str:
    """The reasons of a verdict, in their own words."""
    texts = [str(one["text"]) for one in disposition.get("reasons", ()) if one.get("text")]
    return f" Its reason: {' '.join(texts)}" if texts else ""


def _seg_faults(outcome: SampleOutcome) -> list[str]:
    """The mask must match the image: same size, and not empty."""
    seg = pydicom.dcmread(outcome.arrivals[SEG].path)
    source = pydicom.dcmread(BytesIO(outcome.sample.data), stop_before_pixels=True)
    if (seg.Rows, seg.Columns) != (source.Rows, source.Columns):
        return [f"The segmentation has {seg.Rows} × {seg.Columns} pixels, the image {source.Rows} × {source.Columns}."]
    return [] if seg.pixel_array.any() else ["The segmentation is empty."]


def _together(checks: Sequence[CommissioningCheck]) -> list[str]:
    """Check across images: lossless syntaxes must not change the verdict."""
    faults = []
    for modality in dict.fromkeys(check.modality for check in checks):
        sound = [c for c in checks if c.modality == modality and c.title == f"{modality} phantom"]
        verdicts = {c.verdict for c in sound if c.verdict and c.lossless}
        if len(verdicts) > 1:
            faults.append(f"{modality}: the same pixels get different verdicts by transfer syntax: {sorted(verdicts)}.")
    return faults
