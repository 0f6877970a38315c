"""Renders pages from templates, with all values escaped, and formats times, names and numbers for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateNotFound,
)
from markupsafe import Markup

from miqa_node import __version__
from miqa_node.analysis.drawing import Drawing, to_svg
from miqa_node.domain.access import Permission
from miqa_node.domain.assessment import contributions_text, number_text
from miqa_node.domain.instance import day
from miqa_node.domain.policy import Verdict
from miqa_node.language.catalogue import (
    LANGUAGE,
    SOURCE,
    catalogue,
    grouped,
    languages,
    numerals,
    reworded,
    say,
    say_number,
)
from miqa_node.language.local_time import clock, moment, zone_name
from miqa_node.language.phrase import Phrase
from miqa_node.language.template import TemplateTexts
from miqa_node.statistics.rates import Rate
from miqa_node.taxonomy.lookup import finding_title
from miqa_node.web.page import PAGES, Navigation
from miqa_node.web.reason import plain
from miqa_node.words.measurement_codes import measurement_code

_SAID = re.compile(r'\bsay\("([^"]+)"')


def render(template: str, **values: Any) -> str:
    """One page as HTML; a missing template variable is an error.

    Every page needs ``who`` (domain.access.Principal, or None before sign-in) for the bar at the top.
    """
    return _environment(LANGUAGE.get()).get_template(template).render(values)


def words(name: str) -> str:
    """A name from the code as words.

    >>> words("motion_blur")
    'Motion blur'
    """
    return _sentence(name.replace("_", " "))


def sentence(text: str) -> str:
    """A text of the node with a capital first letter, in the language of the page.

    >>> sentence("no certificate: DX_1 was not calibrated")
    'No certificate: DX_1 was not calibrated'
    """
    return _sentence(reworded(text))


def phrased(text: str) -> str:
    """What the node wrote, in the language of the page; what a person wrote stays as it is.

    >>> phrased("good")
    'good'
    """
    return reworded(text) if isinstance(text, Phrase) else text


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def finding(name: str) -> str:
    """The title of a finding.

    >>> finding("noise_underexposure"), finding("anomaly")
    ('Noisy or under-exposed', 'Anomaly')
    """
    return finding_title(name, LANGUAGE.get())


def verdict_words(verdict: str) -> str:
    """The words for a verdict; its name as words if it is not a Verdict.

    >>> verdict_words("REJECT"), verdict_words("NOT_ASSESSED")
    ('Rejected', 'Not assessed')
    """
    return say(Verdict(verdict).words) if verdict in set(Verdict) else words(verdict)


def measurement(name: str) -> str:
    """The title of a measurement: the meaning of its code in reports.

    >>> measurement("snr_lung"), measurement("some_new_measurement")
    ('Signal to noise in lung', 'Some new measurement')
    """
    return say(measurement_code(name).meaning)


def unit(ucum: str) -> str:
    """A UCUM unit as people write it; empty for a plain number.

    >>> unit("{lp}/mm"), unit("1"), unit("{pixel}")
    ('lp/mm', '', 'pixel')
    """
    return "" if ucum == "1" else ucum.replace("{", "").replace("}", "")


def span(seconds: float) -> str:
    """A duration in its most readable unit.

    >>> span(0.0), span(1.234), span(75.0), span(7500.0), span(200000.0)
    ('0 s', '1.2 s', '1:15 min', '2:05 h', '2.3 d')
    """
    if seconds < 60:
        return numerals(f"{seconds:.1f} s") if seconds else "0 s"
    if seconds < 3600:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d} min"
    if seconds < 86400:
        return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d} h"
    return numerals(f"{seconds / 86400:.1f} d")


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage; a dash for None.

    >>> percent(0.0834), percent(None)
    ('8.3 %', '–')
    """
    return "–" if share is None else numerals(f"{100.0 * share:.{digits}f} %")


def interval(rate: Rate) -> str:
    """The confidence limits of a rate.

    >>> from miqa_node.statistics.rates import rate
    >>> interval(rate(8, 100))
    '4.1–15.0 %'
    """
    return (
        "–" if rate.low is None or rate.high is None else numerals(f"{100.0 * rate.low:.1f}–{100.0 * rate.high:.1f} %")
    )


def figures(value: float) -> str:
    """A number with as many digits as people need.

    >>> figures(0.25)
    '0.25'
    """
    return numerals(grouped(number_text(value)))


def whole(count: int) -> str:
    """A whole number with its thousands apart.

    >>> whole(1374)
    '1,374'
    """
    return grouped(f"{count:,}")


def texts() -> Mapping[str, str]:
    """The messages of the page's scripts in its language; empty for English."""
    if LANGUAGE.get() == SOURCE:
        return {}
    return {text: translation for text in script_texts() if (translation := say(text)) != text}


@cache
def script_texts() -> tuple[str, ...]:
    """The messages in the scripts of the node's own pages: the arguments of ``say``."""
    scripts = sorted((Path(__file__).parent / "static").rglob("*.js"))
    sources = (script.read_text(encoding="utf-8") for script in scripts if "vendor" not in script.parts)
    return tuple(dict.fromkeys(text for source in sources for text in _SAID.findall(source)))


def svg(drawing: Drawing) -> Markup:
    """A drawing as SVG for the page; ``to_svg`` escapes its text."""
    return Markup(to_svg(drawing))  # noqa: S704


class _PageTemplates(BaseLoader):
    """Templates beside the module of a page, as ``<name of the page>/<file>``."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        name, _, file = template.partition("/")
        page = PAGES.all().get(name)
        if page is None or page.folder is None or not file:
            raise TemplateNotFound(template)
        return FileSystemLoader(page.folder).get_source(environment, file)


def _navigation() -> Sequence[tuple[Navigation, Permission]]:
    """The entries of the navigation bar, each with the permission that it requires."""
    pages = [page for page in PAGES.all().values() if page.permission is not None]
    entries = [(page.navigation, page.permission) for page in pages if page.navigation and page.permission]
    return sorted(entries, key=lambda entry: entry[0].order)


class _SpokenTemplates(BaseLoader):
    """Templates with their texts in one language."""

    def __init__(self, language: str) -> None:
        self._templates = ChoiceLoader([PackageLoader("miqa_node.web"), _PageTemplates()])
        self._say = catalogue(language).gettext if language != SOURCE else None

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, file, is_current = self._templates.get_source(environment, template)
        return TemplateTexts(source).translated(self._say) if self._say else source, file, is_current


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=_SpokenTemplates(language),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        contributions=contributions_text,
        words=words,
        finding=finding,
        moment=moment,
        day=day,
        figures=figures,
        plain=plain,
    )
    environment.filters.update(
        verdict=verdict_words, measurement=measurement, sentence=sentence, unit=unit, whole=whole
    )
    environment.filters.update(percent=percent, interval=interval, svg=svg, span=span)
    environment.filters.update(clock=clock, said=reworded, phrased=phrased, numerals=numerals)
    environment.globals.update(version=__version__, navigation=_navigation, zone_name=zone_name)
    environment.globals.update(_=say, ngettext=say_number, spoken=LANGUAGE.get, languages=languages, texts=texts)
    return environment
