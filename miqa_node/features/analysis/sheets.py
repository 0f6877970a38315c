"""The sheets of the monthly report, in order and in the current language."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.core.language.catalogue import numerals, reworded, say, say_number
from miqa_node.core.words import whole_room
from miqa_node.core.words.measurement_codes import measurement_code
from miqa_node.features.analysis.coaching import CHILD, OTHER, amount
from miqa_node.features.analysis.rejects import Group, RejectAnalysis
from miqa_node.features.analysis.rows.positionings import HabitCount, RoomMonth
from miqa_node.features.analysis.watch import ModelWatch
from miqa_node.libraries.plain_statistics.rates import Rate
from miqa_node.runtime.site_records.rooms import Room
from miqa_node.stages.report.sheets import Sheet, share

MOST_ROWS = 40
"""Maximum number of rows of a table in the report; the CSV has all."""


def sheets_of(analysis: RejectAnalysis, model_watch: ModelWatch, news: Sequence[Room] = ()) -> list[Sheet]:
    """The whole report; ``news`` are rooms of which most images show what nobody has seen yet."""
    sheets = [_summary(analysis), _trend(analysis), _reasons(analysis)]
    sheets += [_dimension(name, groups) for name, groups in analysis.groups.items() if groups]
    if analysis.exposures:
        sheets.append(_exposure(analysis))
    if analysis.positioning:
        note = say("Coaching, which flags nothing: images beyond its limits, and the mean of all.")
        rows = positioning_rows(analysis.positioning)[: MOST_ROWS + 1]
        sheets.append(Sheet(say("Positioning by room and month"), [note], rows=rows))
    sheets += [_archive(analysis), *([_rooms(news)] if news else []), _model(model_watch)]
    return sheets


def positioning_rows(positioned: Sequence[RoomMonth]) -> list[tuple[str, ...]]:
    """The table of positioning with its head; empty without images."""
    kinds = {"PA": "PA", "AP": "AP", CHILD: say("children"), OTHER: say("view not given")}
    head = (
        say("Room"), say("Month"), say("Patients"), say("Images"), say("Rotated"), say("Leaning"),
        say("Shallow breath"), say("Field open"), say("Lung missing"),
    )  # fmt: skip
    rows = [
        (
            one.room or say("not given"), one.month, kinds.get(one.kind, one.kind), str(one.images),
            *(_habit(count, one.images) for count in one.habits),
        )
        for one in positioned
    ]  # fmt: skip
    return [head, *rows] if rows else []


def _habit(count: HabitCount, images: int) -> str:
    if count.beyond is None or count.mean is None:
        return "–"
    share_of_images = numerals(f"{100 * count.beyond / images:.0f} %")
    # A negative amount of missing lung would be a margin.
    return share_of_images if count.habit == "cut" else f"{share_of_images} ({amount(count.habit, count.mean)})"


def _summary(analysis: RejectAnalysis) -> Sheet:
    judgement = {
        "fine": say("below the target"),
        "above target": say("above the target"),
        "investigate": say("surely above the action line: investigate"),
        "too few images": say("not judged, since there are too few images"),
        "not measurable yet": say("not measurable yet, since too few of the flagged images were read"),
    }[analysis.level.value]
    read = analysis.coverage
    sentences = (
        say("{count} of {total} flagged images were decided by a person.", count=read.count, total=read.total),
        say(
            "Counted are {sources}. Images deleted at the modality are known from imported logs only.",
            sources="; ".join(map(reworded, analysis.sources)),
        ),
        say_number(
            "{count} exposure, {rejected} rejected: {share}.",
            "{count} exposures, {rejected} rejected: {share}.",
            analysis.total.images,
            rejected=analysis.rejected.count,
            share=share(analysis.rejected),
        ),
        say(
            "The rate is {judgement} (target {target} %, action {action} %).",
            judgement=judgement,
            target=numerals(f"{analysis.target_percent:g}"),
            action=numerals(f"{analysis.action_percent:g}"),
        ),
    )
    rows = [
        ("", say("Images"), say("Of"), say("Share (interval, 95 %)")),
        *(
            (name, str(rate.count), str(rate.total), share(rate))
            for name, rate in (
                (say("Rejected"), analysis.rejected),
                (say("Flagged by the model"), analysis.flagged),
                (say("Repeated without a rejection"), analysis.repeated),
                (say("Judged bad, and in the archive"), analysis.escaped),
                (say("Suspected, and in the archive"), analysis.suspected),
            )
        ),
    ]
    return Sheet(say("Summary"), sentences, rows=rows)


def _trend(analysis: RejectAnalysis) -> Sheet:
    changes = [
        say(
            "From {day} on the rate is {after} instead of {before}.",
            day=analysis.trend[change.index].start,
            after=numerals(f"{100 * change.after:.1f} %"),
            before=numerals(f"{100 * change.before:.1f} %"),
        )
        for change in analysis.chart.changes
    ]
    outside = [point.start for point, at in zip(analysis.trend, analysis.chart.points, strict=True) if at.outside]
    if outside:
        changes.append(say("Out of control limits: {days}.", days=", ".join(str(day) for day in outside)))
    return Sheet(say("Over time"), changes or [say("The process was steady.")], "trend")


def _reasons(analysis: RejectAnalysis) -> Sheet:
    rows = [
        (say("Reason"), say("Images"), say("Of all images"), say("Of rejections")),
        *(
            (reworded(one.words), str(one.of_images.count), share(one.of_images), share(one.of_rejections))
            for one in analysis.reasons
        ),
    ]
    if not analysis.reasons:
        return Sheet(say("Why images were rejected"), [say("Nothing was rejected.")])
    return Sheet(say("Why images were rejected"), (), "reasons", rows)


def value_words(dimension: str, value: str) -> str:
    """A value as it is shown: shifts have names in each language, all others are the site's own words."""
    return reworded(value) if dimension == "shift" else value


def _dimension(name: str, groups: Sequence[Group]) -> Sheet:
    words = name.replace("_", " ")
    heads = (
        say("Images"),
        say("Rejected"),
        say("Rate (interval, 95 %)"),
        say("Flagged"),
        say("Repeated"),
        say("Level"),
    )
    rows = [(reworded(words.capitalize()), *heads)]
    rows += [
        (
            value_words(name, one.value) or say("not given"), str(one.images), str(one.rejected.count),
            share(one.rejected), _percent(one.flagged), _percent(one.repeated), reworded(one.level.value),
        )
        for one in groups[:MOST_ROWS]
    ]  # fmt: skip
    left_out = [say("{count} more are in the CSV.", count=len(groups) - MOST_ROWS)] if len(groups) > MOST_ROWS else []
    return Sheet(reworded(f"By {words}"), left_out, name, rows)


def _exposure(analysis: RejectAnalysis) -> Sheet:
    heads = (say("Images with DI"), say("Mean DI"), say("SD"), say("Below −3"), say("Above +3"), say("Mean EI"))
    rows = [(say("Station"), *heads)]
    rows += [
        (
            one.value or say("not given"), str(one.deviations),
            _number(one.deviation, "+.2f"), _number(one.spread, ".2f"),
            _percent(one.low), _percent(one.high), _number(one.exposure_index, ".0f"),
        )
        for one in analysis.exposures[:MOST_ROWS]
    ]  # fmt: skip
    return Sheet(say("Exposure"), (), "exposure", rows)


def _archive(analysis: RejectAnalysis) -> Sheet:
    rejected_elsewhere = sum(note.images for note in analysis.notes)
    sentences = (
        say_number(
            "{count} image was judged bad by people and never rejected; the archive has it.",
            "{count} images were judged bad by people and never rejected; the archive has them.",
            analysis.escaped.count,
        ),
        say_number(
            "{count} more has the model's verdict REJECT, and nobody has looked at it.",
            "{count} more have the model's verdict REJECT, and nobody has looked at them.",
            analysis.suspected.count,
        ),
        say_number(
            "{count} image was rejected by notes of other systems.",
            "{count} images were rejected by notes of other systems.",
            rejected_elsewhere,
        ),
    )
    return Sheet(say("What reached the archive"), sentences)


def _rooms(news: Sequence[Room]) -> Sheet:
    rows = [(say("Body part, room and view"), say("Since"), say("Most images show"), say("What to check"))]
    rows += [
        (reworded(str(one.place)), f"{one.whole.since:%Y-%m-%d}", whole_room.shown(one.whole.unseen),
         whole_room.to_check(one.whole.unseen))
        for one in news[:MOST_ROWS]
    ]  # fmt: skip
    return Sheet(say("Rooms to look at"), [say("Nobody has said yet to have seen this.")], rows=rows)


def _model(model_watch: ModelWatch) -> Sheet:
    readers = model_watch.second_readings
    kappa = "" if readers.kappa is None else f", κ {readers.kappa:.2f}"
    agreed = (
        say("no image was read twice")
        if readers.observed is None
        else numerals(f"{100 * readers.observed:.1f} %{kappa}")
    )
    drifted = [
        reworded(measurement_code(one.measurement).meaning) for one in model_watch.drifts if one.drift.word == "drifted"
    ]
    precision, missed = model_watch.precision, model_watch.missed
    sentences = (
        say(
            "Readers confirmed {share} of {total} flagged images that they judged.",
            share=share(precision),
            total=precision.total,
        ),
        say(
            "{share} of {total} spot-checked images that the model had accepted were bad.",
            share=share(missed),
            total=missed.total,
        ),
        say("Two readers agree: {share}.", share=agreed),
        say("Drifted measurements: {names}.", names=", ".join(drifted) or say("none")),
        say("Places at which detectors show a defect again and again: {count}.", count=len(model_watch.recurrences)),
    )
    return Sheet(say("The model"), sentences, "rooms")


def _percent(rate: Rate) -> str:
    return "–" if rate.share is None else numerals(f"{100 * rate.share:.1f} %")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else numerals(format(value, form))
