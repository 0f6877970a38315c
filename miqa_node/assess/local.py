"""The short way of one image: a file in, an assessment and a verdict out; no server, no store, no delivery."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from miqa_node.assess.active import ActiveModels
from miqa_node.assess.caption.captioned import with_captions
from miqa_node.assess.companions import Companions
from miqa_node.domain.assessment import Assessment
from miqa_node.domain.finding import FindingName
from miqa_node.domain.image import Radiograph, SaliencyMap
from miqa_node.domain.instance import InstanceDigest
from miqa_node.domain.model_choice import ModelChoice
from miqa_node.domain.policy import Disposition, Policy, decide
from miqa_node.domain.ports import Assessor
from miqa_node.errors import DecodeError
from miqa_node.imaging.decode import Decoder
from miqa_node.imaging.headers import read_header
from miqa_node.imaging.kinds import is_image
from miqa_node.imaging.picture import is_picture, read_picture
from miqa_node.observe.stages import StageClock
from miqa_node.settings import Settings, WatchedFile, read_policy


@dataclass(frozen=True, slots=True)
class LocalResult:
    """What was found out about one file."""

    source: Path
    is_dicom: bool
    assessment: Assessment
    disposition: Disposition
    maps: Mapping[FindingName, SaliencyMap]
    radiograph: Radiograph
    anomaly_map: SaliencyMap | None = None
    prediction_maps: Mapping[str, SaliencyMap] = field(default_factory=dict)


class LocalAssessor:
    """Assesses files one by one with the models and the policy of the settings.

    ``choice`` is what a node of these settings was told to use; ``calibrated=False`` leaves the site's calibration out.
    ``packages`` run beside the quality package whatever the policy switches on.
    """

    def __init__(
        self,
        settings: Settings,
        choice: ModelChoice | None = None,
        *,
        calibrated: bool = True,
        packages: Sequence[str] = (),
    ) -> None:
        self._policy = WatchedFile(settings.policy_file, read_policy)
        chosen = choice or ModelChoice()
        self._models = ActiveModels(settings, lambda: chosen, calibrated=calibrated)
        self._companions = Companions(settings, self._models.assessor, self._policy.current, packages)
        self._assessor = with_captions(settings, self._companions.assessor)
        self._decoder = Decoder(settings.imaging)

    def assess_file(
        self, path: Path, *, modality: str = "DX", body_part: str = "CHEST", view: str = "PA"
    ) -> LocalResult:
        """Assess a DICOM, PNG or JPEG file; modality, body part and view describe pictures, which cannot say it.

        Raises
        ------
        UnreadableError
            The file is neither DICOM nor a picture, or its pixels cannot be decoded.
        """
        described = (modality, body_part, view)
        return assess_path(
            path, described, self._assessor(), self._decoder.decode, self._policy.current(), self._models.certificate
        )

    @property
    def models(self) -> ActiveModels:
        """The models that judge."""
        return self._models

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._policy.current()

    def close(self) -> None:
        """End the decoding processes."""
        self._decoder.close()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def assess_path(
    path: Path, described: tuple[str, str, str], assessor: Assessor, decode: Callable[[Path], Radiograph],
    policy: Policy, certify: Callable[[Assessment, Policy], str],
) -> LocalResult:  # fmt: skip
    """What :meth:`LocalAssessor.assess_file` does, with the parts of whoever has them, such as a running node.

    ``described`` is (modality, body part, view) of a picture, which cannot say it.
    """
    clock = StageClock()
    digest = digest_of(path)
    picture = is_picture(path)
    if picture:
        header, radiograph = clock.time(
            "decode", lambda: read_picture(path, modality=described[0], body_part=described[1], view=described[2])
        )
    else:
        header, _ = read_header(path, nameless=True)
        if not is_image(header):
            raise DecodeError("The object is not an image.")
        radiograph = clock.time("decode", lambda: decode(path))
    judgement = assessor.assess(header, radiograph, digest)
    timings = {**clock.milliseconds, **judgement.assessment.timings_ms}
    judgement = replace(judgement, assessment=replace(judgement.assessment, timings_ms=timings))
    disposition = decide(judgement.assessment, policy)
    disposition = replace(disposition, certificate=certify(judgement.assessment, policy))
    return LocalResult(
        path,
        not picture,
        judgement.assessment,
        disposition,
        judgement.maps,
        radiograph,
        judgement.anomaly_map,
        judgement.prediction_maps,
    )


def digest_of(path: Path) -> InstanceDigest:
    """What identifies a file that was never received: the SHA-256 of all its bytes."""
    with path.open("rb") as file:
        return InstanceDigest(hashlib.file_digest(file, "sha256").hexdigest())
