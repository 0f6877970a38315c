"""How much of an image's defects a model is known to find: only a kept figure can make an image ACCEPT.

Where none is kept for a body part, a view and an age, or where it is too low, the verdict is experimental: findings are
listed, flag nothing, and the image is never ACCEPT. A figure about one finding (with an ``auroc``) makes nothing
ACCEPT, but lets that finding ask for REVIEW on images that are not judged as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.model_identity import ModelIdentity
from miqa_node.core.language.phrase import Phrase, joined

LEAST_FOUND = 0.5
"""A model that finds less than half of the marked defects is blind to most: nothing found says little."""
LEAST_AUROC = 0.95
"""Of one finding, on sources that taught the package nothing; a finding below it stays a hint."""
LEAST_AGE_YEARS = 6
"""Children below are differently built, held and collimated; the shipped packages have no figures of them."""


@dataclass(frozen=True, slots=True)
class KeptFigure:
    """The share of marked defects that were found in ``images`` images of these kinds; empty tuples match everything.

    ``package`` is a package's name or ``NAME-VERSION``, whose findings alone it is about; empty: whatever the node
    judges with. Only a figure that names its package can speak for findings that the package itself calls experimental.
    Of a figure about one finding, ``auroc`` says how well it is told, and ``flagged`` which share of unaltered images,
    of all sources together, all findings with such figures flag.
    """

    found: float
    images: int
    source: str
    body_part: tuple[str, ...] = ()
    view: tuple[str, ...] = ()
    package: str = ""
    least_age_years: int = LEAST_AGE_YEARS
    auroc: float | None = None
    flagged: float = 0.0

    @property
    def suffices(self) -> bool:
        """Whether an image in which nothing was found may be ACCEPT."""
        return self.found >= LEAST_FOUND

    def covers(self, header: Header) -> bool:
        """Whether it was taken on images of this body part and view."""
        named = ((self.body_part, header.body_part_examined), (self.view, header.view_position))
        return all(not terms or name in terms for terms, name in named)

    def is_of(self, model: ModelIdentity | None) -> bool:
        """Whether it names the package."""
        return model is not None and self.package in (model.name, model.label)

    def flags_alone(self, assessment: Assessment) -> bool:
        """Whether its finding may flag this image although the image is not judged as a whole."""
        age = assessment.header.age_years
        is_of_age = age is None or age >= self.least_age_years
        tells = self.auroc is not None and self.auroc >= LEAST_AUROC
        return tells and self.covers(assessment.header) and self.is_of(assessment.model) and is_of_age


def experiment(figures: Sequence[KeptFigure], assessment: Assessment) -> str:
    """Why the findings of an image are experimental, in words; empty if they count.

    Without ``figures`` only the package itself and the age can make them so. An image of unknown age counts as one of
    an adult.
    """
    if not assessment.findings:
        return ""
    header = assessment.header
    figures = [one for one in figures if one.auroc is None]
    of_kind = [one for one in figures if one.covers(header) and _speaks(one, assessment)]
    least = min((one.least_age_years for one in of_kind), default=LEAST_AGE_YEARS)
    if header.age_years is not None and header.age_years < least:
        return Phrase(
            "Experimental: no figures exist for children under {years} years. What was found is listed and flags "
            "nothing.",
            years=str(least),
        )
    figures_of_age = [one for one in of_kind if header.age_years is None or header.age_years >= one.least_age_years]
    if figures_of_age:
        best = max(figures_of_age, key=lambda one: one.found)
        return "" if best.suffices else _too_low(best, header)
    if assessment.has_figures or not (figures or assessment.experimental):
        return ""
    if not figures:
        return assessment.experimental
    is_of_others = not assessment.experimental and any(one.covers(header) for one in figures)
    return _of_another_package(assessment) if is_of_others else no_figures(header)


def _speaks(figure: KeptFigure, assessment: Assessment) -> bool:
    if figure.is_of(assessment.model):
        return True
    return not figure.package and not assessment.experimental


def _of_another_package(assessment: Assessment) -> Phrase:
    """What a package finds that was put in the place of the one that the figures are of; a model judged the image."""
    return Phrase(
        "Experimental: the policy has figures for such images, but none of the package {package}. What was found is "
        "listed and flags nothing.",
        package=assessment.model.label if assessment.model else "",
    )


def _too_low(figure: KeptFigure, header: Header) -> Phrase:
    return Phrase(
        "Experimental: of marked defects on images of {part}, {found} % are found (by {images} images of {source}); "
        "{least} % are asked for. What was found is listed and flags nothing.",
        part=kind_of(header),
        found=f"{figure.found:.0%}".removesuffix("%"),
        images=str(figure.images),
        source=figure.source,
        least=f"{LEAST_FOUND:.0%}".removesuffix("%"),
    )


def no_figures(header: Header) -> Phrase:
    """Why findings of an image are experimental, if nobody has figures of its kind."""
    if not header.body_part_examined.isalnum():
        return Phrase("Experimental: the body part is unknown. What was found is listed and flags nothing.")
    return Phrase(
        "Experimental: no figures exist for {part}. What was found is listed and flags nothing.", part=kind_of(header)
    )


def kind_of(header: Header) -> str:
    """Body part and view, as the header names them; several words are no view, and may be anything."""
    view = header.view_position
    return " ".join(filter(None, (header.body_part_examined, view if view.isalnum() else "")))


def not_as_a_whole(header: Header) -> Phrase:
    """Why an image of which single findings are known is not accepted if nothing was found."""
    return Phrase("Not judged as a whole: {part} is not switched on here.", part=kind_of(header))


def looked_for(names: Sequence[FindingName], titles: Mapping[str, str]) -> Phrase:
    """What was looked for in such an image, and not found."""
    words = joined(", ", [Phrase(titles.get(name, name)) for name in names])
    return Phrase("Looked for: {findings}; none was found.", findings=words)
