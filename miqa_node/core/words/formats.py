"""Names, numbers and durations as people read them, in the language of the page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from miqa_node.core.domain.assessment import Contribution, number_text
from miqa_node.core.domain.shown_number import shown_number
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.catalogue import LANGUAGE, grouped, numerals, reworded, say
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.lookup import finding_title
from miqa_node.core.words.measurement_codes import measurement_code
from miqa_node.libraries.plain_statistics.rates import Rate


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


def contributions(parts: Sequence[Contribution], most: int = 3) -> str:
    """The measurements that a model decided by most, with values and parts.

    >>> contributions([Contribution("snr_lung", 3.1, "1", 2.4), Contribution("brightness", None, "%", -0.61)])
    'Signal to noise in lung 3.1 (+2.40), Mean brightness not measured (−0.61)'
    """

    def said(one: Contribution) -> str:
        value = say("not measured") if one.value is None else f"{one.value:.3g} {unit(one.unit)}".rstrip()
        return f"{measurement(one.measurement)} {value} ({one.part:+.2f})".replace("(-", "(−")

    return ", ".join(said(one) for one in parts[:most])


def unit(ucum: str) -> str:
    """A UCUM unit as people write it; empty for a plain number.

    >>> unit("{lp}/mm"), unit("1"), unit("{pixel}"), unit("[hnsf'U]")
    ('lp/mm', '', 'pixel', 'HU')
    """
    return "" if ucum == "1" else ucum.replace("{", "").replace("}", "").replace("[hnsf'U]", "HU")


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


def ago(at: datetime, now: datetime) -> str:
    """How long ago a moment was, in one unit: what people compare at a glance.

    >>> from datetime import UTC, timedelta
    >>> now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    >>> [ago(now - timedelta(minutes=one), now) for one in (0, 12, 135, 60 * 24 * 3)]
    ['< 1 min', '12 min', '2 h', '3 d']
    """
    minutes = max(0, int((now - at).total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} min" if minutes else "< 1 min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} d"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage; a dash for None.

    >>> percent(0.0834), percent(None)
    ('8.3 %', '–')
    """
    return "–" if share is None else numerals(f"{100.0 * share:.{digits}f} %")


def interval(rate: Rate) -> str:
    """The confidence limits of a rate.

    >>> from miqa_node.libraries.plain_statistics.rates import rate
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


def shown(value: float, name: str, limit: float | None = None) -> str:
    """The value of the measurement of this name, with the digits that its tolerance leaves.

    >>> shown(17.4, "hu_offset"), shown(1234.5, "coverage")
    ('17', '1,234.5')
    """
    return numerals(grouped(shown_number(name, value, limit)))


def whole(count: int) -> str:
    """A whole number with its thousands apart.

    >>> whole(1374)
    '1,374'
    """
    return grouped(f"{count:,}")
