"""Judges the canary like any image, from its file to its report; nothing is stored or sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.policy import Policy
from miqa_node.domain.ports import Assessor
from miqa_node.errors import MiqaError, ResourcesError, place_of
from miqa_node.imaging.canary import canary_image
from miqa_node.imaging.child import path_here, transfer_file
from miqa_node.local import assess_path
from miqa_node.report import ReportedImage, ReportSettings, make_objects
from miqa_node.units.base import Decode


class Canary:
    """Decodes, measures, judges, decides and reports one image with the parts of a node."""

    def __init__(
        self, assessor: Callable[[], Assessor], policy: Callable[[], Policy],
        certify: Callable[[Assessment, Policy], str], decode: Decode, settings: ReportSettings,
    ) -> None:  # fmt: skip
        self._assessor, self._policy, self._certify = assessor, policy, certify
        self._decode = decode
        self._settings = settings

    def check(self) -> None:
        """ResourcesError with the reason if it cannot be judged or reported."""
        try:
            with transfer_file() as file:  # a worker may not write anywhere else
                file.write(canary_image(self._settings.encode))
                file.flush()
                self._judge(path_here(file))
        except MiqaError as error:
            raise ResourcesError(f"A test image cannot be judged: {error}") from error
        except Exception as error:
            where = f"{type(error).__name__} at {place_of(error)}"
            raise ResourcesError(f"A test image cannot be judged: {where}.") from error

    def _judge(self, file: Path) -> None:
        result = assess_path(file, ("DX", "CHEST", "PA"), self._assessor, self._policy, self._certify, self._decode)
        if not make_objects(ReportedImage(file, result.maps), result.assessment, result.disposition, self._settings):
            raise ResourcesError("no report was made")
