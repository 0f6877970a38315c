"""Selection and order of the images, and the remaining readings: all follow from the protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.errors import ConflictError
from miqa_node.features.reader_study.protocol import AIDED, BLINDED, ReaderStudyProtocol
from miqa_node.features.reader_study.rows import DrawnImage, StudyReading


def draw(protocol: ReaderStudyProtocol, available: Sequence[InstanceDigest]) -> list[tuple[int, InstanceDigest]]:
    """Random runs of consecutive images, as (run, digest), in the order of acquisition.

    Runs instead of single images: neighbours show the work of one shift, and readers see images in the usual sequence.

    Raises
    ------
    ConflictError
        The period has fewer images than the protocol requires.
    """
    length = protocol.run_length
    needed = -(-protocol.images // length)
    whole = len(available) // length
    if whole < needed:
        raise ConflictError(
            "The period has {images} judged images, that is {whole} runs of {length}; the protocol "
            "asks for {needed} runs. Plan a new study with a longer period or more rooms.",
            images=len(available),
            whole=whole,
            length=length,
            needed=needed,
        )
    runs = sorted(protocol.random("draw").sample(range(whole), needed))
    chosen = [
        (number, digest)
        for number, run in enumerate(runs, 1)
        for digest in available[run * length : (run + 1) * length]
    ]
    return chosen[: protocol.images]


def progress(
    protocol: ReaderStudyProtocol, images: Sequence[DrawnImage], readings: Collection[StudyReading]
) -> dict[tuple[str, str], int]:
    """Number of remaining readings, by (reader, arm)."""
    arms = (BLINDED, AIDED) if protocol.aided else (BLINDED,)
    done = Counter((reading.reader, reading.arm) for reading in readings)
    return {(reader, arm): len(images) - done[reader, arm] for arm in arms for reader in protocol.readers}


def next_image(
    protocol: ReaderStudyProtocol,
    images: Sequence[DrawnImage],
    readings: Collection[StudyReading],
    reader: str,
    now: datetime,
) -> tuple[str, DrawnImage | None, int]:
    """The arm, the next image of a reader, and the number that remains in this arm.

    The image is None if none remains, or if the second reading must still wait.
    """
    own = [reading for reading in readings if reading.reader == reader]
    blinded = {reading.digest for reading in own if reading.arm == BLINDED}
    remaining = [image for image in _order(protocol, images, reader, BLINDED) if image.digest not in blinded]
    if remaining or not protocol.aided:
        return BLINDED, remaining[0] if remaining else None, len(remaining)
    aided = {reading.digest for reading in own if reading.arm == AIDED}
    remaining = [image for image in _order(protocol, images, reader, AIDED) if image.digest not in aided]
    rested = now >= second_reading_from(protocol, own)
    return AIDED, remaining[0] if remaining and rested else None, len(remaining)


def second_reading_from(protocol: ReaderStudyProtocol, own: Collection[StudyReading]) -> datetime:
    """Time from which a reader who has finished the first reading may begin the second."""
    last = max(reading.read_at for reading in own if reading.arm == BLINDED)
    return last + timedelta(days=protocol.washout_days)


def _order(protocol: ReaderStudyProtocol, images: Sequence[DrawnImage], reader: str, arm: str) -> Sequence[DrawnImage]:
    """A different order for each reader, so fatigue does not affect the same images."""
    ordered = list(images)
    protocol.random(f"order:{reader}:{arm}").shuffle(ordered)
    return ordered
