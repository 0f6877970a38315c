"""Pages from templates: everything is escaped, and how times and names read is decided here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from miqa_node import __version__
from miqa_node.analysis.drawing import Drawing, to_svg
from miqa_node.domain.assessment import contributions_text, number_text
from miqa_node.domain.finding import FINDING_WORDS, FindingName
from miqa_node.report.codes import measurement_code
from miqa_node.statistics.rates import Rate
from miqa_node.web.navigation import NAVIGATION


def render(template: str, **values: Any) -> str:
    """One page as HTML; a value that the template asks for and does not get is an error.

    Every page needs ``who`` (domain.access.Principal, or None before anybody is known) for the bar at its top.
    """
    return _environment.get_template(template).render(values)


def words(name: str) -> str:
    """A name of the code as people read it.

    >>> words("motion_blur")
    'Motion blur'
    """
    return sentence(name.replace("_", " "))


def sentence(text: str) -> str:
    """Words with a capital at their beginning, and nothing else changed.

    >>> sentence("no certificate: DX_1 was not calibrated")
    'No certificate: DX_1 was not calibrated'
    """
    return text[:1].upper() + text[1:]


def finding(name: str) -> str:
    """What a finding is called where people read it.

    >>> finding("noise_underexposure"), finding("anomaly")
    ('Noisy or under-exposed', 'Anomaly')
    """
    try:
        return FINDING_WORDS[FindingName(name)]
    except ValueError:
        return words(name)


def measurement(name: str) -> str:
    """What a measurement is called where people read it: the meaning of the code that reports give it.

    >>> measurement("snr_lung"), measurement("some_new_measurement")
    ('Signal to noise in lung', 'Some new measurement')
    """
    return measurement_code(name).meaning


def unit(ucum: str) -> str:
    """A unit as people write it.

    >>> unit("{lp}/mm"), unit("1"), unit("{pixel}")
    ('lp/mm', '', 'pixel')
    """
    return "" if ucum == "1" else ucum.replace("{", "").replace("}", "")


def moment(at: datetime) -> str:
    """A time as every page writes it, UTC to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def day(date: str) -> str:
    """A DICOM date (PS3.5 6.2, DA) with dashes; anything else as it came.

    >>> day("20260131"), day("")
    ('2026-01-31', '')
    """
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 and date.isdigit() else date


def span(seconds: float) -> str:
    """A time that passed, as short as it can be read.

    >>> span(0.0), span(1.234), span(75.0), span(7500.0), span(200000.0)
    ('0 s', '1.2 s', '1:15 min', '2:05 h', '2.3 d')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds else "0 s"
    if seconds < 3600:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d} min"
    if seconds < 86400:
        return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d} h"
    return f"{seconds / 86400:.1f} d"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as people read it; a dash where there is none.

    >>> percent(0.0834), percent(None)
    ('8.3 %', '–')
    """
    return "–" if share is None else f"{100.0 * share:.{digits}f} %"


def interval(rate: Rate) -> str:
    """The limits of a share.

    >>> from miqa_node.statistics.rates import rate
    >>> interval(rate(8, 100))
    '4.1–15.0 %'
    """
    return "–" if rate.low is None or rate.high is None else f"{100.0 * rate.low:.1f}–{100.0 * rate.high:.1f} %"


def svg(drawing: Drawing) -> Markup:
    """A drawing inside the page; its words are escaped where it is written."""
    return Markup(to_svg(drawing))  # noqa: S704


_environment = Environment(
    loader=PackageLoader("miqa_node.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(
    contributions=contributions_text, words=words, finding=finding, moment=moment, day=day, figures=number_text
)
_environment.filters.update(measurement=measurement, sentence=sentence, unit=unit)
_environment.filters.update(percent=percent, interval=interval, svg=svg, span=span)
_environment.globals.update(version=__version__, navigation=NAVIGATION)
