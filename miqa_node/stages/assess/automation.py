"""By which evidence each package for predictions automates its answers at this site, for pages and checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from miqa_node.core.domain.operations import Alarm
from miqa_node.core.domain.policy import Policy
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import Settings
from miqa_node.errors import MiqaError
from miqa_node.stages.assess.classify.card import ClassifierCard
from miqa_node.stages.assess.classify.sidecar import card_routing
from miqa_node.stages.assess.package_checks import checksum
from miqa_node.stages.assess.prediction_certificate import CertificateState, SiteCertificates, certificate_names
from miqa_node.stages.assess.sidecars import read_any_card, sidecar_folder

MAKE_ANOTHER = Phrase("Make another one with new cases: miqa-node models certify.")


class Evidence(StrEnum):
    """What lets a package's answers stand without a person."""

    PLAIN_RULE = "plain rule"
    """Its card asks for no evidence: the confidence of the settings and of the policy alone."""
    CARD = "card"
    CERTIFICATE = "certificate"
    """The site's own, which covers what it names and nothing else."""
    NONE = "none"
    """Every answer waits for a person."""


@dataclass(frozen=True, slots=True)
class PackageAutomation:
    """One package, ``<name>-<version>``: its evidence, and in words what it says or lacks."""

    package: str
    evidence: Evidence
    detail: str
    ends_at: datetime | None = None
    """When a certificate in force ends."""
    is_near_end: bool = False
    is_over: bool = False
    """Whether a certificate is not in force any more, and nobody revoked it."""


def automation_of(settings: Settings, policy: Policy, now: datetime | None = None) -> list[PackageAutomation]:
    """Each package for classification that the policy switches on, or that has a certificate."""
    names = [rule.package for _, rule in policy.packages]
    return _of_packages(settings, (*names, *certificate_names(settings.node.data_dir)), now or datetime.now(UTC))


def certified_automation(settings: Settings, now: datetime | None = None) -> list[PackageAutomation]:
    """The same of the packages that have a certificate alone: alarms are looked for every few seconds."""
    return _of_packages(settings, certificate_names(settings.node.data_dir), now or datetime.now(UTC))


def _of_packages(settings: Settings, names: Iterable[str], now: datetime) -> list[PackageAutomation]:
    certificates = SiteCertificates(settings.node.data_dir, settings.node.site, lambda: now)
    by_label: dict[str, PackageAutomation] = {}
    for name in dict.fromkeys(names):
        try:
            folder = sidecar_folder(settings.model_folders, name)
            card = read_any_card(folder)
        except MiqaError:  # the checks of the policy and of models name it
            continue
        if isinstance(card, ClassifierCard):
            by_label[card.label] = _of(card, folder, certificates, settings, now)
    return list(by_label.values())


def certificate_of(settings: Settings, card: ClassifierCard, folder: Path) -> CertificateState | None:
    """The site's certificate of a package; None if it never had one."""
    certificates = SiteCertificates(settings.node.data_dir, settings.node.site)
    return _state(certificates, card, folder)


def automation_alarms(packages: list[PackageAutomation]) -> Iterator[Alarm]:
    """Certificates that have ended, or end within a month."""
    for one in packages:
        if one.is_over:
            yield Alarm(Phrase("{package} automates nothing any more", package=one.package), one.detail, None)
        elif one.is_near_end and one.ends_at is not None:
            subject = Phrase(
                "The certificate for predictions of {package} ends on {day}",
                package=one.package,
                day=f"{one.ends_at:%Y-%m-%d}",
            )
            yield Alarm(subject, MAKE_ANOTHER, None)


def _state(certificates: SiteCertificates, card: ClassifierCard, folder: Path) -> CertificateState | None:
    if not certificates.has(card.name):  # graphs are large: they are read for their checksum only if it is asked for
        return None
    return certificates.of(card.name, card.label, checksum(folder, card.graphs))


def _of(
    card: ClassifierCard, folder: Path, certificates: SiteCertificates, settings: Settings, now: datetime
) -> PackageAutomation:
    state = _state(certificates, card, folder)
    if state is not None and state.ended:
        return PackageAutomation(card.label, Evidence.NONE, state.sentence, is_over=not state.is_revoked)
    if state is not None and state.certificate is not None:
        ends_at = state.certificate.ends_at
        return PackageAutomation(
            card.label, Evidence.CERTIFICATE, state.sentence, ends_at, is_near_end=state.is_near_end(now)
        )
    if card.automation is None:
        level = f"{settings.assess.min_confidence:.2f}"
        detail = Phrase("a confidence of {level} and more, if the policy names no other", level=level)
        return PackageAutomation(card.label, Evidence.PLAIN_RULE, detail)
    unproven = card_routing(card, settings.assess).unproven
    return PackageAutomation(card.label, Evidence.NONE if unproven else Evidence.CARD, unproven)
