"""Where a scan of a phantom comes from: the machine and protocol whose history it joins, and what is changed there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.scanner_protocol import plain, short_name
from miqa_node.core.language.phrase import Phrase

ROUND_MS = 10.0
"""Echoes are told apart in steps of so many ms: a protocol has 20 and 80 ms, and its next version may have 20.5."""
SOFTWARE, COIL, TUBE = Phrase("Software"), Phrase("Coil"), Phrase("Tube")


@dataclass(frozen=True, slots=True)
class ScanFacts:
    """What the node's header does not have of a file; empty where the file does not say it."""

    description: str = ""
    """Series Description."""
    coil: str = ""
    tube: str = ""
    echo_time_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ScanOrigin:
    """Machine, protocol and what may be exchanged at the machine, in the words of the header."""

    modality: str
    station: str
    manufacturer: str
    model: str
    serial_number: str
    protocol: str
    """Protocol Name, with what else tells the series of one protocol apart: kernel and echo."""
    description: str = ""
    software: str = ""
    coil: str = ""
    tube: str = ""

    @property
    def machine(self) -> str:
        """The short name of the machine: a serial number tells it, else its station."""
        return short_name(self.modality, self.model, self.serial_number or f"station {self.station}")

    def history(self, kind: str) -> str:
        """The short name of its history of this protocol with phantoms of this kind."""
        return short_name(self.machine, self.protocol.upper(), self.description.upper(), kind)

    @property
    def words(self) -> str:
        """The machine, as people know it."""
        return self.station or self.model or self.serial_number or self.modality

    @property
    def protocol_words(self) -> str:
        """Protocol and description, which are often the same."""
        is_said = self.description and self.description in self.protocol
        return self.protocol if is_said else ": ".join(filter(None, (self.description, self.protocol))) or self.modality

    def changes_since(self, before: ScanOrigin) -> Iterator[tuple[str, str, str]]:
        """(what, before, now) of all that was exchanged; what only one of two headers tells is not known to be."""
        for what, old, new in (
            (SOFTWARE, before.software, self.software),
            (COIL, before.coil, self.coil),
            (TUBE, before.tube, self.tube),
        ):
            if old and new and old != new:
                yield what, old, new


def origin_of(header: Header, sender: str, facts: ScanFacts) -> ScanOrigin:
    """``sender`` stands for a station without name.

    One protocol of a vendor is a whole examination, whose series only their descriptions tell apart, and one series
    may have several echoes.
    """
    echo = "" if facts.echo_time_ms is None else f"TE {_step(facts.echo_time_ms):g} ms"
    words = map(plain, (header.protocol_name or "", header.convolution_kernel, echo))
    return ScanOrigin(
        header.modality[:16],
        plain(header.station_name or sender),
        plain(header.manufacturer),
        plain(header.manufacturer_model_name),
        plain(header.detector_id),
        ", ".join(filter(None, words)),
        facts.description,
        plain(header.software_versions),
        facts.coil,
        facts.tube,
    )


def _step(time_ms: float) -> float:
    return round(time_ms / ROUND_MS) * ROUND_MS if time_ms >= ROUND_MS else round(time_ms)
