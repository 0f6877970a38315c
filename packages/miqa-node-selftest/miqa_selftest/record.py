"""The commissioning record of a self-test: one HTML page to sign, and the same content as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2

from miqa_selftest.run import CommissioningCheck, CommissioningRecord

HTML_NAME, JSON_NAME = "commissioning.html", "commissioning.json"


def write_record(record: CommissioningRecord, folder: Path) -> tuple[Path, Path]:
    """Write both files into a folder; returns their paths, HTML first."""
    folder.mkdir(parents=True, exist_ok=True)
    content = document(record)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page, data = folder / HTML_NAME, folder / JSON_NAME
    page.write_text(environment.get_template("record.html").render(**content), encoding="utf-8")
    data.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return page, data


def document(record: CommissioningRecord) -> dict[str, Any]:
    """The record as plain data."""
    checks = [_row(check) for check in record.checks]
    return {
        "passed": record.passed,
        "made_at": record.made_at,
        "version": record.version,
        "machine": record.machine,
        "model": record.model,
        "seconds": record.seconds,
        "images": len(checks),
        "failed": sum(bool(check["faults"]) for check in checks),
        "faults": record.faults,
        "notes": record.notes,
        "modalities": list(dict.fromkeys(check["modality"] for check in checks)),
        "transfer_syntaxes": list(dict.fromkeys(check["transfer_syntax"] for check in checks)),
        "checks": checks,
    }


def _row(check: CommissioningCheck) -> dict[str, Any]:
    outcome = check.outcome
    return {
        "image": check.title,
        "modality": check.modality,
        "transfer_syntax": check.syntax,
        "lossless": check.lossless,
        "defect": check.defect,
        "sop_instance_uid": outcome.sample.sop_instance_uid,
        "stored": not outcome.sent.error,
        "verdict": check.verdict or None,
        "verdict_after_s": round(outcome.verdict_after_s, 2) if check.verdict else None,
        "reasons": [
            str(reason.get("code", reason.get("text", ""))) for reason in outcome.disposition.get("reasons", [])
        ],
        "delivered": sorted(outcome.arrivals),
        "delivered_after_s": round(outcome.arrived_after_s, 2) if outcome.arrivals else None,
        "faults": check.faults,
    }
