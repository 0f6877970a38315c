"""What both kinds of destinations of results have in common: which they get (the key ``on``), and how they are kept."""

from __future__ import annotations

from abc import abstractmethod
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from miqa_hl7.statement import Statement, dump_statement, load_statement, statement_of
from miqa_node.api import DeliveryRefusedError, Destination, ResultContent, TlsConfig


class On(StrEnum):
    """What a destination hears of; an amended result goes to whoever got the former one, whatever this says."""

    FLAGGED = "flagged"
    """Images and series that the node flagged, or a person rejected."""
    ALL = "all"
    """Every verdict and every decision."""
    DECIDED = "decided"
    """What people decided."""


class ResultsConfig(TlsConfig):
    """A destination of results, over TLS."""

    takes_results: ClassVar[bool] = True

    on: On = Field(default=On.FLAGGED, strict=False, description="flagged, all or decided")

    def state(self, result: ResultContent, /) -> str | None:
        """What is said of it, as JSON, if ``on`` names it or a former one was sent."""
        review = result.review
        rejects = review is not None and review.resolution is not None and review.resolution.rejects
        is_named = {
            On.ALL: True, On.DECIDED: review is not None, On.FLAGGED: result.is_flagged or rejects,
        }  # fmt: skip
        return dump_statement(statement_of(result)) if is_named[self.on] or result.has_former else None


class ResultsDestination(Destination):
    """A receiver of statements."""

    def send_one(self, sop_class_uid: str, sop_instance_uid: str, data: bytes) -> None:  # noqa: ARG002
        """Refuse it."""
        raise DeliveryRefusedError("A destination of results takes no DICOM objects.")

    def send_event(self, event_id: str, body: bytes) -> None:  # noqa: ARG002 - it is in the statement, too
        """Send what was stated."""
        self.send_statement(load_statement(body))

    @abstractmethod
    def send_statement(self, statement: Statement) -> None:
        """Send it. The same statement again must be known as such, by its ``result_id``."""


def without_patient(text: str, statement: Statement) -> str:
    """A receiver's words, which a log gets, too: 200 characters without what they repeat of the patient.

    Parts of a name of two letters and less stay.
    """
    text = " ".join(text.split())
    for one in sorted((one for one in statement.texts() if len(one) > 2), key=len, reverse=True):
        text = text.replace(one, "…").replace(one.upper(), "…").replace(one.title(), "…")
    return text[:200]


def plain_number(value: float) -> str:
    """A number without an exponent, as HL7's data type NM has it.

    >>> plain_number(1e-7), plain_number(93.2)
    ('0.0000001', '93.2')
    """
    return f"{Decimal(repr(value)):f}"
