"""Shows how the node receives, judges and lists some radiographs and reports them to a PACS, and checks for faults."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from demo.progress import doing
from miqa_node.core.domain.delivery import KOS, SEG, SR, ResultKind
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import WorklistState
from miqa_node.core.settings import load_settings
from miqa_selftest.launch import HOST, NodeProcess
from miqa_selftest.outcome import VERDICT_LIMIT_S, SampleOutcome, modality_target, wait
from miqa_selftest.pacs import AE_TITLE, ReceivingPacs
from miqa_selftest.radiographs import SampleImage
from miqa_selftest.send import send

STYLES = {
    Verdict.ACCEPT: "green",
    Verdict.REVIEW: "yellow",
    Verdict.REJECT: "red",
    Verdict.NOT_ASSESSED: "cyan",
}


def tell(console: Console, node: NodeProcess, pacs: ReceivingPacs, samples: Sequence[SampleImage]) -> list[str]:
    """Send, wait, show; return the faults, empty if all went well."""
    console.rule("1. A modality sends radiographs over C-STORE")
    started = time.monotonic()
    sent = send(samples, modality_target(node), load_settings().deliver)
    outcomes = [SampleOutcome(sample, one) for sample, one in zip(samples, sent, strict=True)]
    console.print(_sent_table(outcomes))
    with doing("Its workers load the models for the first image, then judge and report each"):
        wait(outcomes, node, pacs)
    console.rule("2. The node gives each its verdict")
    console.print(_verdict_table(outcomes))
    console.rule(f"3. The PACS {AE_TITLE} has the report, the overlay and the note")
    console.print(_arrival_table(outcomes))
    console.print(f"They lie in {pacs.folder}", highlight=False)
    console.rule("4. The worklist shows what people should look at")
    worklist = node.worklist()
    console.print(_worklist_table(worklist))
    console.print(f"All of it took {time.monotonic() - started:.1f} s.")
    return faults(outcomes, worklist)


def faults(outcomes: Sequence[SampleOutcome], worklist: Sequence[dict[str, Any]]) -> list[str]:
    """All deviations of the outcome from what the demonstration promises."""
    listed = {item["study_instance_uid"] for item in worklist if item["state"] == WorklistState.OPEN}
    messages = []
    for outcome in outcomes:
        title = outcome.sample.title
        if outcome.sent.error:
            messages.append(f"{title}: not sent: {outcome.sent.error}")
        elif not outcome.disposition:
            messages.append(f"{title}: no verdict within {VERDICT_LIMIT_S:g} s")
        else:
            messages += [f"{title}: {fault}" for fault in _faults_of_verdict(outcome, listed)]
    if not any(SEG in outcome.arrivals for outcome in outcomes):
        messages.append("no segmentation arrived at the PACS")
    return messages


def _faults_of_verdict(outcome: SampleOutcome, listed: set[str]) -> list[str]:
    messages = []
    verdict = Verdict(outcome.disposition["verdict"])
    if verdict not in outcome.sample.expected:
        expected = " or ".join(sorted(outcome.sample.expected))
        messages.append(f"the verdict is {verdict}, it should be {expected}")
    kinds = {ResultKind(result["kind"]) for result in outcome.results}
    # A segmentation needs a finding with a place in the image: the gate has none, blur is everywhere.
    promised = {SR, KOS} if verdict.flagged else {SR}
    messages += [f"the node made no {kind}" for kind in sorted(promised - kinds)]
    messages += [f"the {kind} did not arrive at the PACS" for kind in sorted(kinds - set(outcome.arrivals))]
    if verdict.flagged != (outcome.sample.study_instance_uid in listed):
        messages.append("the study is not on the worklist" if verdict.flagged else "the study is on the worklist")
    return messages


def _sent_table(outcomes: Sequence[SampleOutcome]) -> Table:
    table = _table("image", "size", "answer", "SOP Instance UID")
    for outcome in outcomes:
        sample, sent = outcome.sample, outcome.sent
        name = f"SIMULATED: {sample.title}" if sample.simulated else f"real: {sample.title}"
        answer = f"[red]{escape(sent.error)}" if sent.error else "0x0000"
        table.add_row(name, f"{len(sample.data) / 1e6:.1f} MB", answer, sample.sop_instance_uid)
    return table


def _verdict_table(outcomes: Sequence[SampleOutcome]) -> Table:
    table = _table("image", "verdict", "score", "reasons", "findings (probability, severity)", "after")
    for outcome in outcomes:
        if not outcome.disposition:
            table.add_row(outcome.sample.title, "[red]none", "", "", "", "")
            continue
        verdict = Verdict(outcome.disposition["verdict"])
        assessment = (outcome.document or {}).get("assessment") or {}
        score = assessment.get("score")
        present = [f for f in assessment.get("findings", ()) if f["probability"] >= f["threshold"]]
        present.sort(key=lambda f: -f["probability"])
        table.add_row(
            outcome.sample.title,
            f"[{STYLES[verdict]}]{verdict}",
            "–" if score is None else f"{score:.0f}",
            "\n".join(escape(reason["text"]) for reason in outcome.disposition["reasons"]) or "–",
            "\n".join(f"{f['name']} ({f['probability']:.2f}, {f['severity']:.2f})" for f in present) or "–",
            f"{outcome.verdict_after_s:.1f} s",
        )
    return table


def _arrival_table(outcomes: Sequence[SampleOutcome]) -> Table:
    table = _table("image", "object", "file: <Modality>-<SOP Instance UID>.dcm", "after")
    for outcome in outcomes:
        title, after = outcome.sample.title, f"{outcome.arrived_after_s:.1f} s"
        for kind, arrival in sorted(outcome.arrivals.items()):
            table.add_row(title, kind, f"[link={arrival.path.as_uri()}]{escape(arrival.path.name)}[/link]", after)
            title = after = ""
    return table


def _worklist_table(items: Sequence[dict[str, Any]]) -> Table:
    table = _table("study", "verdict", "state", "reasons")
    for item in items:
        verdict = Verdict(item["verdict"])
        reasons = sorted({reason.removesuffix(".") for image in item["images"] for reason in image["reasons"]})
        study = item["accession_number"] or item["study_instance_uid"]
        table.add_row(
            escape(study),
            f"[{STYLES[verdict]}]{verdict}",
            item["state"],
            escape("; ".join(reasons)),
        )
    return table


def addresses(node: NodeProcess, pacs: ReceivingPacs) -> Panel:
    """The addresses of all parts while they run."""
    lines = [
        f"DICOM     {node.ae_title}@{HOST}:{node.dicom_port}",
        f"Worklist  http://{HOST}:{node.web_port}/",
        f"REST      http://{HOST}:{node.web_port}/api/v1/worklist",
        f"PACS      {AE_TITLE}@{HOST}:{pacs.port}, files in {pacs.folder}",
        f"Log       {node.log_file}",
    ]
    return Panel("\n".join(escape(line) for line in lines), title="Addresses", expand=False)


def next_steps(node: NodeProcess) -> Panel:
    """Next steps for a first-time user."""
    address = f"http://localhost:{node.web_port}/"
    waiting = sum(item["state"] != WorklistState.RESOLVED for item in node.worklist())
    lines = [
        f"1. Open {address} in a browser on this machine.",
        f"2. {waiting} studies wait there. Click the first, look at the image and at what the node says of it.",
        "3. Type your name and decide: Dismiss when the node is wrong, Reject when the image is unusable.",
        f"4. A rejection shows first what will happen; the PACS {AE_TITLE} then gets a note.",
        "",
        "Without accounts no sign-in is needed: the pages answer to this machine only.",
        f"From another one: ssh -L {node.web_port}:localhost:{node.web_port} THIS-MACHINE, then step 1 there.",
    ]
    return Panel("\n".join(escape(line) for line in lines), title="Now you", expand=False)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold", header_style="bold")
    return table
