"""Templates in one language, with all values escaped and the formats that they use."""

from __future__ import annotations

from collections.abc import Callable

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined

from miqa_node import __version__
from miqa_node.core.domain.instance import day
from miqa_node.core.language.catalogue import (
    LANGUAGE,
    SOURCE,
    catalogue,
    languages,
    numerals,
    reworded,
    say,
    say_number,
)
from miqa_node.core.language.local_time import clock, moment, zone_name
from miqa_node.core.language.template import TemplateTexts
from miqa_node.core.words import formats
from miqa_node.core.words.algorithms import algorithms_of, makers_of
from miqa_node.core.words.image_title import anatomy_words, image_title
from miqa_node.core.words.reason import plain


class _SpokenTemplates(BaseLoader):
    """Templates with their texts in one language."""

    def __init__(self, templates: BaseLoader, language: str) -> None:
        self._templates = ChoiceLoader([templates, PackageLoader("miqa_node.interfaces.web.html")])
        self._say = catalogue(language).gettext if language != SOURCE else None

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, file, is_current = self._templates.get_source(environment, template)
        return TemplateTexts(source).translated(self._say) if self._say else source, file, is_current


def environment(templates: BaseLoader, language: str) -> Environment:
    """What renders these templates, and those that all share; a variable that is missing is an error."""
    made = Environment(
        loader=_SpokenTemplates(templates, language),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        contributions=formats.contributions,
        anatomy=anatomy_words,
        words=formats.words,
        finding=formats.finding,
        moment=moment,
        day=day,
        figures=formats.figures,
        shown=formats.shown,
        plain=plain,
        verdict=formats.verdict_words,
        measurement=formats.measurement,
        sentence=formats.sentence,
        unit=formats.unit,
        whole=formats.whole,
        percent=formats.percent,
        interval=formats.interval,
        span=formats.span,
        ago=formats.ago,
        clock=clock,
        said=reworded,
        phrased=formats.phrased,
        numerals=numerals,
    )
    made.globals.update(version=__version__, zone_name=zone_name, image_title=image_title)
    made.globals.update(algorithms_of=algorithms_of, makers_of=makers_of)
    made.globals.update(_=say, ngettext=say_number, spoken=LANGUAGE.get, languages=languages)
    return made
