"""Each number of a pilot's report can be made again from its CSV, by code that shares nothing with the node's."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date
from random import Random
from statistics import NormalDist

import pytest

from miqa_node.core.language.catalogue import spoken
from miqa_node.features.pilot.figures import figures_of
from miqa_node.features.pilot.lines import PilotLine, PilotLines, to_csv
from miqa_node.features.pilot.progress import Outcome
from miqa_node.features.pilot.report import pilot_html, pilot_pdf, pilot_text, sheets_of
from miqa_node.features.pilot.rows.images import PilotImage
from miqa_node.features.pilot.strata import draw
from miqa_node.interfaces.cli.output import to_json

FINDINGS = ("motion_blur", "anatomy_cut_off", "underexposed", "noise")
REJECTS = {("=Room 2", "111208", ""): 9, ("Room 1", "111210", "motion_blur"): 4, ("Room 3", "111221", ""): 1}
ROOMS = ("Room 1", "=Room 2", "Emergency")


def image(number: int, random: Random) -> PilotImage:
    is_flagged = random.random() < 0.15
    findings = tuple(random.sample(FINDINGS, random.choice((1, 1, 2)))) if is_flagged else ()
    return PilotImage(
        image_id=number, outcome=Outcome.JUDGED, study_instance_uid="1.2.3.4", sop_instance_uid=f"1.2.3.4.{number}",
        study_date="20261003", modality="DX", failure="", digest="", room=random.choice(ROOMS),
        body_part=random.choice(("CHEST", "KNEE", "")), view="PA", day=date(2026, random.choice((10, 11)), 3),
        verdict="REVIEW" if is_flagged else "ACCEPT", score=None, findings=findings, unassessed="", stratum="",
        drawn_order=None,
    )  # fmt: skip


def pilot(seed: int = 1, images: int = 1500, drawn: int = 200, *, read: bool = True) -> PilotLines:
    random = Random(seed)
    every = [image(number, random) for number in range(images)]
    strata = draw(every, drawn, random)
    stratum_of = {one.image_id: stratum.name for stratum in strata for one in stratum.drawn}
    lines = []
    for one in every:
        is_bad = random.random() < (0.7 if one.findings else 0.03)
        is_lost = random.random() < 0.05
        is_read = read and one.image_id in stratum_of and not is_lost
        grade = "unusable" if is_bad else random.choice(("usable", "limited"))
        lines.append(
            PilotLine(
                outcome="judged", room=one.room, modality="DX", body_part=one.body_part, view="PA",
                month=f"{one.day:%Y-%m}", verdict=one.verdict, findings=one.findings, is_hard="noise" in one.findings,
                why="", stratum=stratum_of.get(one.image_id, ""), is_lost=is_lost and one.image_id in stratum_of,
                first=grade if is_read else "",
                second=(grade if random.random() < 0.9 else "usable") if is_read and random.random() < 0.3 else "",
            )
        )  # fmt: skip
    nothing = PilotLine("judged", "Room 1", "DX", "", "PA", "2026-10", "", (), False, "", "", False, "", "")
    for why, count in (("The image has no pixels.", 3), ("It shows a phantom.", 2)):
        lines += [replace(nothing, verdict="NOT_ASSESSED", why=why)] * count
    lines += [replace(nothing, outcome="failed", room="", month="", why="0xA702 of 1.2.840.113619.2.5.17")] * 4
    lines += [replace(nothing, outcome="known", room="", month="")] * 5
    sizes = {one.name: (len(one.images), len(one.drawn)) for one in strata}
    return PilotLines(
        "october", "ab" * 32, date(2026, 10, 1), date(2026, 11, 30), 1514, 6, 0.05, 50, False,
        {"Room 1": 40, "=Room 2": 38, "Emergency": 61}, sizes, lines, REJECTS,
    )  # fmt: skip


def of_rooms_that_learned() -> PilotLines:
    """The same; each fifth image has no limits of its own room."""
    lines = [
        one if number % 5 == 0 else replace(one, own=str(int("noise" in one.findings)))
        for number, one in enumerate(pilot().lines)
    ]  # fmt: skip
    return replace(pilot(), lines=lines, learn=True)


@pytest.mark.parametrize("lines", [pilot(), of_rooms_that_learned()], ids=["estimated", "learned"])
def test_a_script_of_its_own_makes_each_number_again(lines: PilotLines) -> None:
    figures = json.loads(json.dumps(to_json(figures_of(lines))))
    again = numbers_again(to_csv(lines))
    for name, value in again.items():
        assert figures_at(figures, name) == pytest.approx(value, abs=1e-9), name
    assert len(again) > 60


def figures_at(figures: dict[str, object], path: str) -> object:
    value: object = figures
    for part in path.split("|"):
        value = value[int(part)] if isinstance(value, list) else value[part]  # type: ignore[index]
    return value


def numbers_again(text: str) -> dict[str, object]:
    """All numbers of the report, from its CSV alone."""
    rows = list(csv.reader(io.StringIO(text)))
    gap = rows.index([])
    head = {row[0]: row[1:] for row in rows[:gap] if row[0] not in ("days", "stratum", "reject")}
    days = {row[1].removeprefix("'"): int(row[2]) for row in rows[:gap] if row[0] == "days"}
    sizes = {row[1]: int(row[2]) for row in rows[:gap] if row[0] == "stratum"}
    names = rows[gap + 1]
    lines = [dict(zip(names, (cell.removeprefix("'") for cell in row), strict=True)) for row in rows[gap + 2 :]]
    judged = [one for one in lines if one["outcome"] == "judged" and one["verdict"] != "NOT_ASSESSED"]
    read = [one for one in lines if one["first"]]
    numbers: dict[str, object] = {
        "found": len(lines) + int(head["erased"][0]), "judged": len(judged), "known": 5, "erased": 6,
        "drawn": sum(bool(one["stratum"]) for one in lines), "lost": sum(one["is_lost"] == "1" for one in lines),
        "read": len(read), "both_read": sum(bool(one["second"]) for one in lines),
    }  # fmt: skip
    numbers |= rate_again("flagged", judged)
    for dimension, column in (("months", "month"), ("body_parts", "body_part")):
        for value in {one[column] for one in judged}:
            numbers |= rate_again(f"{dimension}|{value}", [one for one in judged if one[column] == value])
    for place, room in enumerate(sorted({one["room"] for one in judged})):
        mine = [one for one in judged if one["room"] == room]
        hard = sum(one["is_hard"] == "1" for one in mine)
        numbers |= rate_again(f"rooms|{place}|flagged", mine) | {f"rooms|{place}|days": days[room]}
        estimate = hard + float(head["budget"][0]) * len(mine)
        numbers[f"rooms|{place}|own"] = own_again(mine) if head["learn"] == ["1"] else estimate
    for name, count in Counter(name for one in judged for name in one["findings"].split("; ") if name).items():
        numbers[f"findings|{name}"] = count
    for why, count in Counter(one["why"] for one in lines if one["verdict"] == "NOT_ASSESSED").items():
        numbers[f"not_assessed|{why}"] = count
    for place, row in enumerate(row[1:] for row in rows[:gap] if row[0] == "reject"):
        named, code, finding, logged = (cell.removeprefix("'") for cell in row)
        same = sum(one["room"] == named and finding in one["findings"].split("; ") for one in judged)
        of = {"room": named, "code": code, "rejects": int(logged), "flagged": same if finding else None}
        numbers |= {f"rejects|{place}|{name}": value for name, value in of.items()}
    sides: dict[bool, list[tuple[int, int, int]]] = defaultdict(list)
    for stratum, size in sizes.items():
        mine = [one for one in read if one["stratum"] == stratum]
        bad = sum(one["first"] == "unusable" for one in mine)
        sides[stratum.startswith("flagged")].append((size, len(mine), bad))
    shares = {"right": sides[True], "missed": sides[False], "unusable": sides[True] + sides[False]}
    for name, side in shares.items():
        for what, figure in zip(("share", "low", "high"), share_again(side), strict=True):
            numbers[f"{name}|{what}"] = figure
    inside, outside = ([size_of(side) * x for x in share_again(side)] for side in (sides[True], sides[False]))
    numbers["caught|share"] = inside[0] / (inside[0] + outside[0])
    numbers["caught|low"] = 1 / (1 + ratio_again(outside, inside, 1))
    numbers["caught|high"] = 1 / (1 + ratio_again(outside, inside, -1))
    return numbers | agreement_again(read)


def agreement_again(read: list[dict[str, str]]) -> dict[str, object]:
    pairs = Counter((one["first"] == "unusable", one["second"] == "unusable") for one in read if one["second"])
    total = sum(pairs.values())
    equal = (pairs[True, True] + pairs[False, False]) / total
    chance = [sum(number for pair, number in pairs.items() if pair[reader]) / total for reader in (0, 1)]
    by_chance = chance[0] * chance[1] + (1 - chance[0]) * (1 - chance[1])
    return {"kappa|observed": equal, "kappa|kappa": (equal - by_chance) / (1 - by_chance)}


def ratio_again(above: list[float], below: list[float], side: int) -> float:
    """A limit of the ratio of two numbers, each (number, least, most), by the variances that their limits tell."""
    (a, a_low, a_high), (b, b_low, b_high) = above, below
    x, y = (a_high, b_low) if side > 0 else (a_low, b_high)
    return (a * b + side * math.sqrt((a * b) ** 2 - x * y * (2 * a - x) * (2 * b - y))) / (y * (2 * b - y))


def own_again(images: list[dict[str, str]]) -> int:
    return sum(one["own"] == "1" or (not one["own"] and bool(one["findings"])) for one in images)


def rate_again(name: str, images: list[dict[str, str]]) -> dict[str, object]:
    total, count = len(images), sum(bool(one["findings"]) for one in images)
    return {f"{name}|count": count, f"{name}|total": total, f"{name}|share": count / total}


def size_of(strata: list[tuple[int, int, int]]) -> int:
    return sum(size for size, drawn, _ in strata if drawn)


def share_again(strata: list[tuple[int, int, int]]) -> tuple[float, float, float]:
    """The stratified mean with Wilson's limits at its effective size, written anew from the page of the method."""
    whole = size_of(strata)
    mean = sum(size * bad / drawn for size, drawn, bad in strata if drawn) / whole
    variance = 0.0
    for size, drawn, bad in strata:
        if drawn:
            p = (bad + 0.5 * mean) / (drawn + 0.5)
            variance += (size / whole) ** 2 * (1 - drawn / size) * p * (1 - p) / max(drawn - 1, 1)
    effective = mean * (1 - mean) / variance
    z = NormalDist().inv_cdf(0.975)
    middle = (mean + z * z / (2 * effective)) / (1 + z * z / effective)
    half = z * math.sqrt(mean * (1 - mean) / effective + z * z / (4 * effective**2)) / (1 + z * z / effective)
    return mean, middle - half, middle + half


def test_lines_have_no_uid_and_no_day() -> None:
    text = to_csv(pilot())
    assert "1.2.840.113619" not in text
    assert "0xA702 of …" in text
    assert "2026-10-03" not in text
    assert "'=Room 2" in text, "no formula in a spreadsheet"


def test_the_page_answers_three_questions_and_says_what_it_cannot() -> None:
    text = pilot_text(pilot())
    for sentence in ("How many would it flag?", "How often is a flag right?", "What does it miss?"):
        assert sentence in text
    assert "An archive holds what was accepted" in text
    assert "Reader B read" in text
    html = pilot_html(pilot(), "de")
    assert "Raum" in html
    assert "How" not in html
    assert pilot_pdf(pilot(), "en")[:4] == b"%PDF"
    assert pilot_pdf(pilot(), "en") == pilot_pdf(pilot(), "en")


def test_rejects_of_a_log_stand_beside_what_was_flagged() -> None:
    text = pilot_html(pilot(), "de")
    assert "laut eingelesenen Protokollen: 14." in text
    assert "Rejects" not in text
    without = replace(pilot(), rejects={})
    assert "Rejected, by the log" not in pilot_html(without, "en")


def test_before_anything_was_read_it_says_what_can_be_said() -> None:
    figures = figures_of(pilot(read=False))
    assert figures.right.share is None
    assert figures.caught.share is None
    text = pilot_text(pilot(read=False))
    assert "Nobody has read any image yet" in text
    assert "How many would it flag?" in text


def test_an_empty_pilot_has_a_page() -> None:
    empty = PilotLines("none", "", date(2026, 10, 1), date(2026, 10, 2), 0, 0, 0.05, 50, False, {}, {}, [])
    with spoken("en"):
        assert [sheet.heading for sheet in sheets_of(empty)] == ["Three answers", "What this does not say"]


@pytest.mark.parametrize(("images", "drawn"), [(30, 200), (1500, 200), (400, 10)])
def test_a_sample_has_both_sides_and_no_image_twice(images: int, drawn: int) -> None:
    every = [image(number, Random(number)) for number in range(images)]
    strata = draw(every, drawn, Random(1))
    chosen = [one.image_id for stratum in strata for one in stratum.drawn]
    assert len(chosen) == len(set(chosen)) == min(drawn, images)
    assert sum(len(one.images) for one in strata) == images
    flagged = sum(bool(one.findings) for stratum in strata for one in stratum.drawn)
    assert flagged == min(
        sum(bool(one.findings) for one in every), max(drawn // 2, drawn - sum(not one.findings for one in every))
    )
    assert all(len(one.drawn) >= 2 or len(one.images) < 2 or len(strata) <= 2 for one in strata) or drawn == 10
    assert [one.image_id for stratum in draw(every, drawn, Random(1)) for one in stratum.drawn] == chosen
