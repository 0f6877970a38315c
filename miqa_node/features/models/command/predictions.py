"""The site's certificates for predictions, as ``miqa-node models certificate`` prints and ends them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from miqa_node.core.settings import Settings
from miqa_node.errors import ConflictError, NotFoundError
from miqa_node.interfaces.cli.output import Column, print_line, print_table
from miqa_node.stages.assess.automation import certificate_of
from miqa_node.stages.assess.certified import percent_below
from miqa_node.stages.assess.classify.card import ClassifierCard
from miqa_node.stages.assess.prediction_certificate import (
    CertificateState,
    EarlyEnd,
    EndCause,
    certificate_names,
    certificate_path,
    read_certificate,
    write_certificate,
)
from miqa_node.stages.assess.sidecars import read_any_card, sidecar_folder


def certificates(settings: Settings, name: str = "") -> list[dict[str, Any]] | None:
    """Those of all packages, or of one; None if the one predicts nothing."""
    if not name:
        return [one for each in certificate_names(settings.node.data_dir) for one in certificates(settings, each) or ()]
    try:
        folder = sidecar_folder(settings.model_folders, name)
        card = read_any_card(folder)
    except NotFoundError:
        return None  # a bare file is for quality, and what does not exist is said there
    if not isinstance(card, ClassifierCard):
        return None
    return [_document(card, certificate_of(settings, card, Path(folder)))]


def revoke(settings: Settings, name: str, by: str) -> None:
    """End a certificate for predictions; NotFoundError if there is none, ConflictError if it was ended already."""
    folder = sidecar_folder(settings.model_folders, name)
    path = certificate_path(settings.node.data_dir, read_any_card(folder).name)
    if not path.is_file():
        raise NotFoundError(f"{name} has no certificate for predictions.")
    file = read_certificate(path)
    if file.end is not None:
        raise ConflictError(f"The certificate of {file.certificate.day} ended before: {file.end.sentence}.")
    write_certificate(path, file.certificate, EarlyEnd(cause=EndCause.REVOKED, at=datetime.now(UTC), by=by))


def print_certificates(shown: Sequence[dict[str, Any]]) -> None:
    """What each covers."""
    for one in shown:
        print_line(one["package"], "predictions:", one["sentence"])
        certificate = one["certificate"]
        if certificate is None:
            continue
        print_line("digest", one["sha256"], "stations", ", ".join(name or "–" for name in certificate["stations"]))
        numbers = (Column(text, number=True) for text in ("Right", "Answers", "At least"))
        print_table(
            ("Population", "Ages", "Views", "Label", *numbers, ""),
            (
                (group["name"], ages(group), ", ".join(view or "–" for view in group["views"]), row["label"],
                 str(row["right"]), str(row["answers"]), f"{percent_below(row['bound'])} %", word)
                for group in certificate["populations"]
                for word, rows in (("automated", group["answers"]), ("waits", group["others"]))
                for row in rows
            ),
        )  # fmt: skip


def ages(group: dict[str, Any]) -> str:
    """The ages of a population.

    >>> ages({"ages_years": [1, 5], "unknown_age": False}), ages({"ages_years": None, "unknown_age": True})
    ('1 to 5 years', 'unknown')
    """
    span = group["ages_years"]
    return ", ".join([*([f"{span[0]} to {span[1]} years"] if span else []), *["unknown"] * group["unknown_age"]])


def _document(card: ClassifierCard, state: CertificateState | None) -> dict[str, Any]:
    if state is None:
        none = "no certificate for predictions: miqa-node models certify makes one"
        return {"package": card.label, "in_force": False, "sentence": none, "sha256": "", "certificate": None}
    made = state.certificate
    return {
        "package": card.label,
        "in_force": made is not None and not state.ended,
        "sentence": str(state.sentence),
        "sha256": state.sha256,
        "certificate": made.model_dump(mode="json") if made is not None else None,
    }
