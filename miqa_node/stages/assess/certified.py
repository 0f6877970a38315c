"""A site's certificate: the conditions for automating one answer about one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.routing import Routing
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.language.phrase import Phrase, joined
from miqa_node.stages.assess.prediction_certificate import (
    CertificateState,
    CertifiedAnswers,
    CertifiedPopulation,
    PredictionCertificate,
)
from miqa_node.stages.assess.sidecar import ImageContext


def certified_routing(
    routing: Routing, state: CertificateState, context: ImageContext, label: str
) -> tuple[Routing, Disposition]:
    """The conditions for an answer of a package that has a certificate, and the disposition that counts for it.

    What the certificate does not cover is not automated, whatever rule or card would do. REVIEW waits as REJECT does.
    An image that only its age keeps from being assessed counts as assessed if a population names that age.
    """
    # Until a population of the certificate covers the image, its disposition is that of the policy, age included: what
    # nobody certified must not count as assessed. From then on the age may be disregarded, which the population names.
    quality, certificate, header = context.disposition(), state.certificate, context.judgement.assessment.header
    routing = replace(routing, accepted_only=True, unproven="", proven_from=0.0)
    if certificate is None or state.ended:
        return replace(routing, unproven=Phrase("Not automated: {why}.", why=state.sentence)), quality
    routing = replace(routing, min_confidence=max(routing.min_confidence, certificate.level))
    populations = [one for one in certificate.populations if one.holds(header)]
    if header.station_name not in certificate.stations or not populations:
        return replace(routing, unproven=_outside(certificate, header)), quality
    routing = replace(routing, certificate=state.sha256)
    despite_age = context.disposition(despite_age=True)
    evidence = [(one, answers) for one in populations for answers in one.answers if answers.label == label]
    if len(evidence) < len(populations):  # nobody knows to which of them the patient belongs
        return replace(routing, unproven=_unproven(certificate, populations, label)), despite_age
    # Of several populations that hold, the one that knows least speaks: no sentence may promise more than all of them.
    population, answers = min(evidence, key=lambda pair: pair[1].bound)
    sentence: str = _automated(certificate, population, answers)
    if despite_age.verdict is not quality.verdict:
        sentence = joined(" ", [sentence, Phrase("Quality was not assessed only because of the age, which it names.")])
    return replace(routing, certified=sentence), despite_age


def _automated(
    certificate: PredictionCertificate, population: CertifiedPopulation, answers: CertifiedAnswers
) -> Phrase:
    return Phrase(
        "Automated by the site's certificate of {day}: {label} in {population} at a confidence of {level} and more, "
        "right in {right} of {answers} answers by {reader}, so in at least {bound} %. It ends on {end}.",
        day=certificate.day,
        label=answers.label,
        population=population.name,
        level=f"{certificate.level:.2f}",
        right=answers.right,
        answers=answers.answers,
        reader=certificate.reader,
        bound=percent_below(answers.bound),
        end=certificate.last_day,
    )


def _outside(certificate: PredictionCertificate, header: Header) -> Phrase:
    if header.station_name not in certificate.stations:
        return Phrase(
            "Not automated. The certificate of {day} does not cover the station {station}.",
            day=certificate.day,
            station=header.station_name or "–",
        )
    return Phrase("Not automated. The certificate of {day} covers no such age and view.", day=certificate.day)


def _unproven(certificate: PredictionCertificate, populations: Sequence[CertifiedPopulation], label: str) -> Phrase:
    without = (one.name for one in populations if all(answers.label != label for answers in one.answers))
    return Phrase(
        "Not automated. The certificate of {day} does not cover {label} in {populations}.",
        day=certificate.day,
        label=label,
        populations=", ".join(without),
    )


def percent_below(share: float) -> str:
    """A share in percent with one digit, never more than it is.

    >>> percent_below(0.95049), percent_below(0.9)
    ('95.0', '90.0')
    """
    return f"{int(1000.0 * share + 1e-9) / 10.0:.1f}"
