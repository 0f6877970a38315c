"""Records to print and sign: one HTML page, and the same content as JSON; that of a self-test is made here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from miqa_selftest.run import CommissioningCheck, CommissioningRecord

NAME = "commissioning"


def write_record(record: CommissioningRecord, folder: Path) -> tuple[Path, Path]:
    """Write both files into a folder; returns their paths, HTML first."""
    return write_sheet(document(record), "record.html", folder, NAME)


def write_sheet(content: Mapping[str, Any], template: str, folder: Path, name: str) -> tuple[Path, Path]:
    """Write a page by a template of this package, and its content as JSON; returns their paths, HTML first."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page, data = folder / f"{name}.html", folder / f"{name}.json"
    page.write_text(environment.get_template(template).render(**content), encoding="utf-8")
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
