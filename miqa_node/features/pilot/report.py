"""The report of a pilot as sheets: what a head of department needs first, then the tables, then what it cannot say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from miqa_node import __version__
from miqa_node.core.domain.codes import REASON_CODES
from miqa_node.core.domain.study_protocol import Grade
from miqa_node.core.language.catalogue import numerals, reworded, say, say_number, spoken
from miqa_node.core.taxonomy.reasons import reason_words
from miqa_node.core.words.image_title import anatomy_words
from miqa_node.features.pilot.figures import PilotFigures, RoomAlarms, figures_of
from miqa_node.features.pilot.lines import UID, PilotLines
from miqa_node.libraries.plain_statistics.rates import Rate
from miqa_node.stages.report.sheets import Sheet, coefficient, share

WORST_FIRST = (Grade.UNUSABLE, Grade.LIMITED, Grade.USABLE)
MOST_ROWS = 20
"""Maximum number of rows of a table; the CSV has all."""


def pilot_html(pilot: PilotLines, language: str, examples: Sequence[Sheet] = ()) -> str:
    """The report as one HTML file; ``examples`` are sheets with images."""
    from miqa_node.stages.report.sheets_html import write_html  # noqa: PLC0415 - its library slows the start

    with spoken(language):
        return write_html(*_titles(pilot), [*sheets_of(pilot), *examples], {}, language)


def pilot_pdf(pilot: PilotLines, language: str) -> bytes:
    """The same as PDF; the same pilot gives the same bytes."""
    from miqa_node.stages.report.sheets_pdf import write_pdf  # noqa: PLC0415 - as above

    with spoken(language):
        return write_pdf(*_titles(pilot), sheets_of(pilot), {})


def pilot_text(pilot: PilotLines) -> str:
    """The sentences as plain text, in English."""
    title, note = _titles(pilot)
    return "\n".join(
        [title, note, *(line for sheet in sheets_of(pilot) for line in ("", sheet.heading, *sheet.sentences))]
    )


def _titles(pilot: PilotLines) -> tuple[str, str]:
    title = say("Pilot {name}: images of {first} to {last}", name=pilot.pilot, first=pilot.since, last=pilot.until)
    return title, say("Protocol SHA-256 {digest}", digest=pilot.sha256) + f" · miqa-node {__version__}"


def sheets_of(pilot: PilotLines) -> list[Sheet]:
    """The sheets in the current language; none names a patient."""
    figures = figures_of(pilot)
    sheets = [_answers(figures), _rooms(pilot, figures), _findings(figures), _rejects(figures), _months(figures)]
    sheets.append(_left_out(figures))
    return [sheet for sheet in sheets if sheet.sentences or len(sheet.rows) > 1] + [_limits(figures)]


def _answers(figures: PilotFigures) -> Sheet:
    """The three questions."""
    days = sum(one.days for one in figures.rooms)
    flagged = say(
        "How many would it flag? {count} of {total} images: {share}; {day} per room and day.",
        count=figures.flagged.count,
        total=figures.judged,
        share=share(figures.flagged),
        day=_number(figures.flagged.count / days if days else None),
    )
    if not figures.read:
        unread = say(
            "How often is a flag right, and what does it miss? Nobody has read any image yet: draw a sample with "
            "miqa-node pilot sample."
        )
        return Sheet(say("Three answers"), (flagged, unread))
    grades = figures.grades
    right = say(
        "How often is a flag right? {share} of the flagged images are unusable to the reader ({count} of {read} read).",
        share=share(figures.right),
        count=grades[True][Grade.UNUSABLE],
        read=grades[True].total(),
    )
    missed = say(
        "What does it miss? {share} of the other images are unusable ({count} of {read} read); of all unusable images "
        "it flags {caught}.",
        share=share(figures.missed),
        count=grades[False][Grade.UNUSABLE],
        read=grades[False].total(),
        caught=share(figures.caught),
    )
    whole = say("Shares that were read are weighted to the whole period; 95 percent limits in parentheses.")
    return Sheet(say("Three answers"), (flagged, right, missed, whole))


def _rooms(pilot: PilotLines, figures: PilotFigures) -> Sheet:
    head = (
        say("Room"), say("Images"), say("Flagged"), say("Days"), say("Alarms a day"), say("Alarms a day, own limits"),
    )  # fmt: skip
    rows: list[Sequence[str]] = [head]
    rows += [_room(one) for one in sorted(figures.rooms, key=lambda one: -one.flagged.total)[:MOST_ROWS]]
    note = (
        _learned(figures)
        if figures.did_learn
        else say(
            "With limits of its own a room flags some {budget} of its ordinary images for soft findings: an estimate.",
            budget=numerals(f"{100 * pilot.budget:g} %"),
        )
    )
    return Sheet(say("By room"), (note,) if figures.rooms else (), rows=rows)


def _learned(figures: PilotFigures) -> str:
    learned = [one for one in figures.rooms if one.own is not None]
    if not learned:
        return say("No room has enough images here for limits of its own.")
    return say(
        "Rooms that learned limits of their own from these images: {rooms}. With these limits {own} would be flagged "
        "there in place of {flagged}. Simulated defects: not simulated.",
        rooms=len(learned), own=f"{sum(one.own or 0.0 for one in learned):.0f}",
        flagged=sum(one.flagged.count for one in learned),
    )  # fmt: skip


def _room(one: RoomAlarms) -> tuple[str, ...]:
    return (
        one.room or say("not given"), str(one.flagged.total), share(one.flagged), str(one.days), _number(one.a_day),
        _number(one.own_a_day),
    )  # fmt: skip


def _findings(figures: PilotFigures) -> Sheet:
    head = say("Finding"), say("Flagged"), *(say("Read: {grade}", grade=reworded(grade)) for grade in WORST_FIRST)
    rows: list[Sequence[str]] = [head]
    for name, count in figures.findings.most_common(MOST_ROWS):
        read = figures.grades_by_finding.get(name, Counter())
        rows.append((reason_words(name), str(count), *(str(read[grade]) for grade in WORST_FIRST)))
    note = say("An image with several findings counts for each, its reading for the first.")
    return Sheet(say("By finding"), (note,) if len(rows) > 1 else (), rows=rows)


def _rejects(figures: PilotFigures) -> Sheet:
    rows: list[Sequence[str]] = [(say("Room"), say("Reason"), say("Rejected, by the log"), say("Flagged here for it"))]
    for one in figures.rejects[:MOST_ROWS]:
        code, flagged = REASON_CODES.get(one.code), "–" if one.flagged is None else str(one.flagged)
        rows.append((one.room or say("not given"), say(code.meaning) if code else one.code, str(one.rejects), flagged))
    note = say(
        "In the period, by imported logs: {count}. An archive seldom has what was rejected, so that the two columns "
        "count different images: they show whether both see the same faults in a room.",
        count=sum(one.rejects for one in figures.rejects),
    )
    return Sheet(say("Rejects"), (note,) if figures.rejects else (), rows=rows)


def _months(figures: PilotFigures) -> Sheet:
    rows: list[Sequence[str]] = [(say("Month, body part"), say("Images"), say("Flagged"))]
    groups: Mapping[str, Rate] = {**figures.months, **figures.body_parts}
    shown = list(groups.items())[:MOST_ROWS]
    rows += [(anatomy_words(name) or say("not given"), str(one.total), share(one)) for name, one in shown]
    return Sheet(say("By month and body part"), rows=rows)


def _left_out(figures: PilotFigures) -> Sheet:
    rows: list[Sequence[str]] = [(say("Not judged, because"), say("Images"))]
    rows += [(reworded(why), str(count)) for why, count in figures.not_assessed.most_common(MOST_ROWS)]
    rows += [
        (say("The source did not give it: {words}", words=UID.sub("…", why)), str(count))
        for why, count in figures.failed.most_common(MOST_ROWS)
    ]
    if figures.known:
        rows.append((say("The node had it already"), str(figures.known)))
    if figures.erased:
        rows.append((say("Its patient was erased"), str(figures.erased)))
    return Sheet(say("Images without an answer"), rows=rows)


def _limits(figures: PilotFigures) -> Sheet:
    """Who read, how many, and what an archive cannot tell."""
    return Sheet(say("What this does not say"), tuple(_reservations(figures)))


def _reservations(figures: PilotFigures) -> Iterator[str]:
    yield say(
        "An archive holds what was accepted: images that were repeated and deleted at the machine are not in it, so "
        "that fewer are unusable here than are taken."
    )
    if figures.read:
        yield say_number(
            "Reader A read {count} image of {drawn} drawn.",
            "Reader A read {count} images of {drawn} drawn.",
            figures.read,
            drawn=figures.drawn,
        )
        if figures.both_read:
            yield say(
                "Reader B read {count} of them without seeing A's grades: they agree in {share} (kappa {kappa}, AC1 "
                "{ac1}).",
                count=figures.both_read,
                share=numerals(f"{100 * (figures.kappa.observed or 0.0):.0f} %"),
                kappa=coefficient(figures.kappa),
                ac1=coefficient(figures.ac1),
            )
        else:
            yield say("One person's grades are one person's: nobody read a part of the images a second time.")
    if figures.lost:
        yield say_number(
            "{count} drawn image was no longer in the archive.",
            "{count} drawn images were no longer in the archive.",
            figures.lost,
        )
    yield say(
        "It judges quality by the policy as it was shipped or set, and what flags is a proposal to look, no diagnosis. "
        "The CSV has every line that these numbers are made of."
    )


def _number(value: float | None) -> str:
    return "–" if value is None else numerals(f"{value:.1f}")
