"""Judges the canary like any image, from its file to its report; nothing is stored or sent."""

from __future__ import annotations

from miqa_node.dicom.pixels.canary import canary_image
from miqa_node.dicom.pixels.encode import FrameEncoder
from miqa_node.errors import MiqaError, ResourcesError, place_of
from miqa_node.local import LocalTools, assess_path
from miqa_node.runtime.workers.child import path_here, transfer_file


def judge_canary(tools: LocalTools, encode: FrameEncoder) -> None:
    """Decode, measure, judge, decide and report one image; ResourcesError with the reason if that fails."""
    try:
        with transfer_file() as file:  # a worker may not write anywhere else
            file.write(canary_image(encode))
            file.flush()
            objects = assess_path(path_here(file), ("DX", "CHEST", "PA"), tools).objects
    except MiqaError as error:
        raise ResourcesError("A test image cannot be judged: {error}", error=error) from error
    except Exception as error:
        where = f"{type(error).__name__} at {place_of(error)}"
        raise ResourcesError("A test image cannot be judged: {where}.", where=where) from error
    if not objects:
        raise ResourcesError("A test image cannot be judged: no report was made.")
