"""The site's certificate for a package's predictions: a file that says which answers, for whom, need no person.

``miqa-node models certify`` writes it to ``<data_dir>/calibration/<name>.predictions.yaml``, beside the calibration of
quality. It is bound to package, reading pipeline and site, ends after half a year, and a person or a drift may end it
earlier. The file stays then: a package whose certificate has ended automates nothing until it gets another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from miqa_node.core.domain.instance import Header
from miqa_node.core.keys.canonical import canonical
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.certificate import Amount, Share
from miqa_node.stages.assess.classify.reading import READING
from miqa_node.stages.assess.section import Section
from miqa_node.stages.assess.site_file import read_site_file, write_site_file

LEAST_LEVEL = 0.80
LEAST_RIGHT = 0.95
DELTA = 0.05
"""One minus the confidence of the bound of each label and population."""
LASTS = timedelta(days=180)
NEAR = timedelta(days=30)
"""The end is told so long before."""
SUFFIX = ".predictions.yaml"


class CertifiedAnswers(Section):
    """How often answers of one label were right among the cases of a population that would have been automated.

    ``bound`` is the one-sided 95 % limit of Clopper and Pearson, below which the true share lies in one case of 20.
    """

    label: str
    answers: Amount
    right: Amount
    bound: Annotated[float, Field(ge=0, le=1)]


class CertifiedPopulation(Section):
    """Whose images: ages in whole years (90 for all above), whether of unknown age too, and views.

    ``answers`` are the labels that are switched on, ``others`` those whose evidence did not suffice.
    """

    name: str
    ages_years: tuple[int, int] | None
    unknown_age: bool
    views: tuple[str, ...]
    answers: tuple[CertifiedAnswers, ...]
    others: tuple[CertifiedAnswers, ...] = ()

    def holds(self, header: Header) -> bool:
        """Whether an image is of this population."""
        age = header.age_years
        named = self.unknown_age
        if age is not None:
            named = self.ages_years is not None and self.ages_years[0] <= age <= self.ages_years[1]
        return named and header.view_position in self.views


class ConfidenceDrift(Section):
    """The certificate ends if the mean confidence of ``images`` in a row differs from ``mean`` by more than ``limit``.

    ``mean`` is that of the cases, ``power`` is the share of shifts by a tenth that so many images show.
    """

    mean: Annotated[float, Field(ge=0, le=1)]
    images: Amount
    limit: Annotated[float, Field(gt=0, lt=1)]
    power: Annotated[float, Field(ge=0, le=1)]


class PredictionCertificate(Section):
    """What a site's readers showed of a package's answers."""

    format: Literal[1] = 1
    package: str
    package_sha256: str
    reading: str
    site: str
    made_at: datetime
    ends_at: datetime
    reader: str
    level: Annotated[float, Field(ge=LEAST_LEVEL, lt=1)]
    least_right: Annotated[Share, Field(ge=LEAST_RIGHT)]
    cases: Amount
    learned_known: bool
    """Whether the package says from which images it learned, so that none of their patients is among the cases."""
    stations: tuple[str, ...]
    populations: tuple[CertifiedPopulation, ...]
    drift: ConfidenceDrift

    @property
    def day(self) -> str:
        """When it was made."""
        return f"{self.made_at:%Y-%m-%d}"

    @property
    def last_day(self) -> str:
        """When it ends at the latest."""
        return f"{self.ends_at:%Y-%m-%d}"

    @property
    def sentence(self) -> str:
        """What it is, for pages and commands."""
        return Phrase(
            "certificate of {day} by {reader}: {cases} cases, confidence {level} and more, until {end}",
            day=self.day,
            reader=self.reader,
            cases=self.cases,
            level=f"{self.level:.2f}",
            end=self.last_day,
        )


class EndCause(StrEnum):
    """What ended a certificate before its day."""

    REVOKED = "revoked"
    DRIFTED = "drifted"


class EarlyEnd(Section):
    """Who or what ended it, and when; ``shift`` is the difference of confidence that did."""

    cause: EndCause
    at: datetime
    by: str = ""
    shift: float | None = None

    @property
    def sentence(self) -> str:
        """The reason as the end of a sentence."""
        day = f"{self.at:%Y-%m-%d}"
        if self.cause is EndCause.REVOKED:
            return Phrase("{by} revoked it on {day}", by=self.by, day=day)
        return Phrase(
            "the package's confidence drifted by {shift} from that of the cases on {day}",
            shift=f"{self.shift or 0.0:.3f}",
            day=day,
        )


class CertificateFile(Section):
    """The file; ``sha256`` is the digest of the certificate's canonical form."""

    certificate: PredictionCertificate
    sha256: str
    end: EarlyEnd | None = None

    @property
    def is_unchanged(self) -> bool:
        """Whether the certificate is as it was written."""
        return self.sha256 == digest_of(self.certificate)


@dataclass(frozen=True, slots=True)
class CertificateState:
    """A site's certificate of a package: ``ended`` says why it is not in force; empty if it is."""

    certificate: PredictionCertificate | None
    sha256: str = ""
    ended: str = ""
    is_revoked: bool = False

    @property
    def sentence(self) -> str:
        """What it is, or why it is not in force."""
        if self.certificate is None:
            return self.ended
        if self.ended:
            return Phrase("the certificate of {day} ended: {reason}", day=self.certificate.day, reason=self.ended)
        return self.certificate.sentence

    def is_near_end(self, now: datetime) -> bool:
        """Whether somebody has to make another one soon."""
        return self.certificate is not None and not self.ended and self.certificate.ends_at - now <= NEAR


def digest_of(certificate: PredictionCertificate) -> str:
    """Digest of a certificate, which predictions name."""
    return hashlib.sha256(canonical(certificate.model_dump(mode="json"))).hexdigest()


def certificate_path(data_dir: Path, name: str) -> Path:
    """Path of the certificate of a package's name, whatever its version."""
    return data_dir / "calibration" / f"{name}{SUFFIX}"


def certificate_names(data_dir: Path) -> list[str]:
    """Names of the packages that have a certificate, in force or not."""
    return sorted(path.name.removesuffix(SUFFIX) for path in (data_dir / "calibration").glob(f"*{SUFFIX}"))


def write_certificate(path: Path, certificate: PredictionCertificate, end: EarlyEnd | None = None) -> str:
    """Write the file atomically; return the certificate's digest."""
    file = CertificateFile(certificate=certificate, sha256=digest_of(certificate), end=end)
    write_site_file(path, file)
    return file.sha256


def read_certificate(path: Path) -> CertificateFile:
    """The file of a certificate.

    Raises
    ------
    ModelPackageError
        It cannot be read, does not follow the schema, or was changed after it was written.
    """
    file, _ = read_site_file(path, CertificateFile)
    if not file.is_unchanged:
        raise ModelPackageError("{path} was changed after it was written: its digest differs.", path=path.name)
    return file


def _now() -> datetime:
    return datetime.now(UTC)


class SiteCertificates:
    """The certificates of a site; a file is read again when it changes, and its end counts from its moment on."""

    def __init__(self, data_dir: Path, site: str, now: Callable[[], datetime] = _now) -> None:
        self._data_dir, self._site, self._now = data_dir, site, now
        self._read: dict[str, tuple[tuple[int, int], CertificateFile | str]] = {}

    def has(self, name: str) -> bool:
        """Whether there is a certificate, in force or not, for a package of this name."""
        return certificate_path(self._data_dir, name).exists()

    def of(self, name: str, label: str, sha256: str) -> CertificateState | None:
        """That of a package by name, ``<name>-<version>`` and checksum; None if the site never had one."""
        path = certificate_path(self._data_dir, name)
        try:
            status = path.stat()
        except OSError:
            return None
        stamp = status.st_mtime_ns, status.st_size
        entry = self._read.get(name)
        if entry is None or entry[0] != stamp:
            entry = self._read[name] = stamp, _content(path)
        if isinstance(entry[1], str):
            return CertificateState(None, "", Phrase("the certificate cannot be used: {error}", error=entry[1]))
        file = entry[1]
        is_revoked = file.end is not None and file.end.cause is EndCause.REVOKED
        return CertificateState(file.certificate, file.sha256, self._ended(file, label, sha256), is_revoked)

    def _ended(self, file: CertificateFile, label: str, sha256: str) -> str:
        certificate, end = file.certificate, file.end
        package = Phrase("the package changed from {old} to {new}", old=certificate.package, new=label)
        ends = (
            (end is not None, end.sentence if end is not None else ""),
            (certificate.package != label, package),
            (certificate.package_sha256 != sha256, Phrase("the files of the package changed")),
            (certificate.reading != READING, Phrase("images are decoded or prepared in another way now")),
            (certificate.site != self._site, Phrase("it was made at another site")),
            (certificate.ends_at <= self._now(), Phrase("its time was over on {day}", day=certificate.last_day)),
        )
        return next((why for has_ended, why in ends if has_ended), "")


def _content(path: Path) -> CertificateFile | str:
    try:
        return read_certificate(path)
    except ModelPackageError as error:
        return str(error)
