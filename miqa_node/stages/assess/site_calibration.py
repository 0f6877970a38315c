"""The site's own calibration of a package: a separate file that replaces the card's calibration at run time.

``miqa-node calibrate`` writes it to ``<data_dir>/calibration/<package>.yaml``. It is bound to the graph's checksum and
to the site; its certificate is also bound to the policy. A file that does not match is not used: the log and every
verdict's certificate say so.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from miqa_node.core.domain.policy import Policy
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.card import Card
from miqa_node.stages.assess.certificate import Certificate, Share
from miqa_node.stages.assess.section import Section
from miqa_node.stages.assess.site_file import read_site_file, write_site_file


class Labels(Section):
    """The labels behind a calibration. ``fitted`` and ``tested`` count patients of the two splits."""

    origin: str
    simulated: bool
    patients: int
    patients_known: bool
    bad: int
    fitted: int
    tested: int
    left_out: dict[str, int] = Field(default={})


class HeadCalibration(Section):
    """The site's calibration of one column of ``logits``; ``ece_*`` are errors on the test split, before and after.

    ``fitted`` is false if labels were too few; the card's temperature and bias then stay.
    """

    temperature: Annotated[float, Field(gt=0)]
    bias: float
    threshold: Share
    fitted: bool
    present: int
    ece_before: float | None
    ece_after: float | None


class SiteCalibration(Section):
    """The calibration file. ``offset`` moves the card's operating points by calibrated logits; negative is stricter."""

    format: Literal[1] = 1
    package: str
    model_sha256: str
    site: str
    made_at: datetime
    labels: Labels
    offset: Annotated[float, Field(le=0)]
    heads: dict[str, HeadCalibration]
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class ActiveCalibration:
    """The calibration of a loaded package; ``identity`` is that of the file, empty without one.

    ``refused`` is the reason why an existing file is not used.
    """

    calibration: SiteCalibration | None = None
    identity: str = ""
    refused: str = ""


def calibration_path(data_dir: Path, package: str) -> Path:
    """Path of a package's calibration file."""
    return data_dir / "calibration" / f"{package}.yaml"


def read_calibration(path: Path) -> tuple[SiteCalibration, str]:
    """The calibration and the identity of its file.

    Raises
    ------
    ModelPackageError
        The file cannot be read or does not follow the schema.
    """
    calibration, data = read_site_file(path, SiteCalibration)
    return calibration, hashlib.sha256(data).hexdigest()


def write_calibration(path: Path, calibration: SiteCalibration) -> str:
    """Write the file atomically; return its identity."""
    return hashlib.sha256(write_site_file(path, calibration)).hexdigest()


def in_force(path: Path, card: Card, model_sha256: str, site: str) -> ActiveCalibration:
    """The site's calibration of a package, or the reason why a file is not used."""
    if not path.is_file():
        return ActiveCalibration()
    try:
        calibration, identity = read_calibration(path)
    except ModelPackageError as error:
        return ActiveCalibration(refused=Phrase("the calibration cannot be used: {error}", error=error))
    day = f"{calibration.made_at:%Y-%m-%d}"
    if calibration.model_sha256 != model_sha256:
        return ActiveCalibration(refused=Phrase("that of {day} expired, the model changed", day=day))
    if calibration.site != site:
        return ActiveCalibration(refused=Phrase("that of {day} expired, it was made at another site", day=day))
    if set(calibration.heads) != {row.name for row in card.outputs.classes}:
        return ActiveCalibration(refused=Phrase("the calibration cannot be used: its heads are not those of the card"))
    return ActiveCalibration(calibration, identity)


def apply_calibration(card: Card, calibration: SiteCalibration) -> Card:
    """The card with the site's temperatures, biases and operating points."""
    classes = tuple(
        row.model_copy(
            update={
                "temperature": calibration.heads[row.name].temperature,
                "bias": calibration.heads[row.name].bias,
                "threshold": calibration.heads[row.name].threshold,
            }
        )
        for row in card.outputs.classes
    )
    return card.model_copy(update={"outputs": card.outputs.model_copy(update={"classes": classes})})


def certificate_sentence(card: Card, calibration: ActiveCalibration, policy: Policy, site: str) -> str:
    """The sentence to show beside a verdict of the package with this calibration under this policy."""
    if calibration.refused:
        return Phrase("no certificate: {refused}", refused=calibration.refused)
    if calibration.calibration is not None:
        return calibration.calibration.certificate.sentence(policy, site)
    if card.certificate is not None:
        return card.certificate.sentence(policy, site)
    return Phrase("no certificate: this package was not calibrated with labels of the site")
