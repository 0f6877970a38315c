"""Sections of docs/reference/figures.md on the packages beside quality: pneumonia, landmarks and the denoiser."""

from __future__ import annotations

from collections.abc import Iterable

from miqa_node.interfaces.cli.output import number
from miqa_node.stages.assess.choices import Choices
from miqa_node.stages.assess.targets import Targets
from tools.figures_table import Figures, percent, table, with_interval

_RATES = ("recall", "specificity")
_DOSES = ("1/2", "1/4", "1/8")


def pneumonia_section(card: Figures) -> Iterable[str]:
    """What is known of patients that no network here was fitted to or calibrated on."""
    metrics, counts = card["metrics"], card["training"]["images"]
    yield from (f"## {card['name']}-{card['version']}", "")
    yield (
        f"{card['calibration']['images']} images calibrate, {counts['test']} of the hospitals of the training and "
        f"{counts['elsewhere']} of further ones are tested: [Pneumonia](../explanation/pneumonia.md). *ECE* is the "
        "expected calibration error; beside it what a perfect calibration shows on as many images, with 95 % below."
    )
    yield ""
    head = ("patients", "images", "with pneumonia", *_RATES, "AUROC (95 %)", "ECE", "ECE if perfect", "Brier")
    yield from table(head, [_tested(name, one) for name, one in metrics["test"]["groups"].items()])
    yield from _members(metrics["members"], card)
    yield from _automation(card["automation"])
    yield from _elsewhere(metrics["test"]["elsewhere"])
    yield from _shortcuts(metrics["cross_population"])
    yield from _pneumonia_maps(metrics["test"]["pointing_game"])


def _tested(name: str, one: Figures) -> list[str]:
    interval = (one.get("auroc_low"), one.get("auroc_high"))
    chance = (one.get("ece_if_perfect"), one.get("ece_if_perfect_high"))
    perfect = "–" if None in chance else f"{chance[0]:.3f} (< {chance[1]:.3f})"
    return [name, str(one["images"]), str(one["pneumonia"]), *(number(one.get(rate)) for rate in _RATES),
            with_interval(one.get("auroc"), interval), number(one.get("ece")), perfect,
            number(one.get("brier"))]  # fmt: skip


def _members(members: Figures, card: Figures) -> Iterable[str]:
    yield from ("### Members of the pneumonia ensemble", "", "AUROC of each alone and of the ensemble that ships.", "")
    weights = {one["architecture"]: one["weight"] for one in card["members"]}
    groups = list(members["ensemble"])
    rows = [
        (f"{name}, share {weights[name]:g}" if name in weights else f"**{name}**", *(number(one[g]) for g in groups))
        for name, one in members.items()
        if name in weights or name == "ensemble"
    ]
    yield from table(("", *(group.removeprefix("AUROC on ") for group in groups)), rows)
    yield from ("Shares that were tried, on the calibration patients:", "")
    tried = [(one["members"], number(one["mean AUROC"])) for one in card["calibration"]["members_tried"]]
    yield from table(("members", "mean AUROC of children and adults"), tried)


def _automation(rows: Iterable[Figures]) -> Iterable[str]:
    yield from ("### What is automated", "")
    yield (
        "An answer is automated where the upper limit (95 %) of the share of wrong confident answers is at most 5 % on "
        "collections that have both labels and that nothing was trained or calibrated on."
    )
    yield ""
    cells = []
    for one in rows:
        enough = one["upper_bound"] <= one["max_error"]
        cells.append((
            one["population"], ", ".join(one["collections"]) or "none", str(one["images"]), str(one["answers"]),
            str(one["errors"]), percent(one["upper_bound"]), percent(one["false_omission_rate"]),
            percent(one["sensitivity"]),
            percent(one["answers"] / one["images"]) if enough else "**0 %: not automated**",
        ))  # fmt: skip
    head = ("population", "collections", "images", "confident answers", "wrong", "upper limit",
            "pneumonia among confident normal answers", "sensitivity", "coverage")  # fmt: skip
    yield from table(head, cells)


def _elsewhere(hospitals: Figures) -> Iterable[str]:
    yield from ("### Pneumonia at further hospitals", "", "Confident answers are those of 0.80 and above.", "")
    rows = [
        (name, str(one["images"]), str(one["patients"]), percent(one["right"]),
         number(one["mean probability of pneumonia"]), str(one["by confidence alone automated"]),
         str(one["by confidence alone automated_errors"]))
        for name, one in hospitals.items()
    ]  # fmt: skip
    head = ("collection, label", "images", "patients", "right", "mean probability", "confident answers", "wrong")
    yield from table(head, rows)


def _shortcuts(trained_on: Figures) -> Iterable[str]:
    yield from ("### The shortcut test", "")
    yield from ("One network, trained on each choice of patients, on the tests that it had at its date.", "")
    groups = list(next(iter(trained_on.values())))
    rows = [(name.removeprefix("trained on "), *(number(one.get(g)) for g in groups))
            for name, one in trained_on.items()]  # fmt: skip
    yield from table(("trained on", *(group.removeprefix("AUROC on ") for group in groups)), rows)


def _pneumonia_maps(game: Figures) -> Iterable[str]:
    yield from ("### Where the pneumonia map points", "")
    yield f"{game['images']} images of {game['patients']} patients with radiologists' boxes, none of them trained on."
    yield ""
    rows = [
        (name, with_interval(one["pointing_game"], one["interval"]), number(one["no_tolerance"]),
         number(one["on_trained"]))
        for name, one in game["methods"].items()
    ]  # fmt: skip
    yield from table(("map", "peak in a box", "without tolerance", "patients trained on"), rows)


def targets_section(card: Figures) -> Iterable[str]:
    """What a package had to reach, and whether it does."""
    targets = Targets.model_validate(card["targets"])
    yield from (f"## Targets of {card['name']}-{card['version']}", "", targets.about, "")
    yield from table(targets.head, targets.table)
    if targets.tried:
        yield from ("Tried for what is missed:", "", *(f"- {one}" for one in targets.tried), "")


def objects_section(card: Figures) -> Iterable[str]:
    """Separation, pointing, and both sides of the operating point, by images and source."""
    metrics, parts = card["metrics"], ("choosing", "development", "held_out")
    yield from (f"## {card['name']}-{card['version']}", "", metrics["about"], "")
    if card.get("choices"):
        choices = Choices.model_validate(card["choices"])
        yield from (f"The images that chose were looked at {choices.looks} times.", "")
        yield from table(("figure", "images", "with what is to be found", "sources", "chose"), choices.table)
    point, rows = metrics["operating_point"], []
    for part in parts:
        figures = metrics[part] if "all" in metrics[part] else {"all": metrics[part]}
        for source, one in figures.items():
            sides = point[part][source] if "all" in point[part] else point[part]
            rows.append((
                f"{part.replace('_', ' ')}, {source}", f"{one['removable']} / {one['devices_only']} / {one['nothing']}",
                number(one["auroc"]), number(one["auroc_monitoring"]), number(one["auroc_nothing"]),
                number(sides["found"]), number(sides["called_with_devices_only"]), number(sides["called_with_nothing"]),
                number(one["pointing"]), number(one["compact"]), number(one["worn_pointing"]),
            ))  # fmt: skip
    head = ("images of", "removable / devices only / nothing", "AUROC", "against devices only", "against nothing",
            "found", "called with devices only", "called with nothing", "pointing", "compact",
            "at the removable one")  # fmt: skip
    yield from table(head, rows)


def landmarks_section(card: Figures) -> Iterable[str]:
    """Errors of points, rotation and cut sides, and agreement of the lung field."""
    metrics = card["metrics"]
    yield from (f"## {card['name']}-{card['version']}", "", metrics["about"], "")
    parts = {"development set": metrics["development_set"], "held-out patients": metrics["held_out_patients"]}
    rows = []
    for part, groups in parts.items():
        for name, one in groups.items():
            rows.append((
                f"{part}, {name}", str(one["images"]),
                _between(one, "median_error_percent"), _between(one, "rotation_percent_auroc"),
                _between(one, "cut_auroc"), number(one["inspiration_auroc"]), number(one["ribs_mean_error"]),
                number(one["tilt_median_error_deg"]),
            ))  # fmt: skip
    head = ("images of", "images", "median error, % of the width", "rotation, AUROC", "cut, AUROC",
            "inspiration, AUROC", "ribs, mean error", "tilt, median error in degrees")  # fmt: skip
    yield from table(head, rows)
    cuts = [
        (side, number(one["auroc"]), percent(one["sensitivity"]), percent(one["false_alarms"]),
         number(one["missing_median_error_percent"]))
        for side, one in metrics["simulated_cuts"].items()
    ]  # fmt: skip
    about = ("simulated cut at the image's", "AUROC", "found", "false alarms", "error of what is cut, % of the width")
    yield from table(about, cuts)
    yield from _reader_rules(metrics["reader_rules"])
    yield from _lung_field(metrics["lung_field"])
    yield from _side_markers(metrics["side_markers"])


def _reader_rules(figures: Figures) -> Iterable[str]:
    """Agreement of rotation and cut lungs with readers, by hospital."""
    yield from ("", figures["about"], "")
    parts = {"rotated": "rotation", "cut": "cut lungs, side drawn", "cut_by_grade": "anatomy cut off, graded",
             "cut_by_grade_marked": "the same, marked"}  # fmt: skip
    rows = [
        (f"{words}, {source}", str(one["images"]), str(one["with"]),
         number(one["auroc"]), number(one["auroc_before"]), percent(one["found"]), percent(one["called"]))
        for part, words in parts.items()
        for source, one in figures[part].items()
    ]  # fmt: skip
    yield from table(("readers on", "images", "with it", "AUROC", "before", "found", "called without"), rows)


def _side_markers(figures: Figures) -> Iterable[str]:
    """How often letters are read, flagged where they are right, and flagged in mirror images."""
    yield from ("", figures["about"], "")
    rows = [
        (f"{words}, {source}", str(one["images"]),
         *(percent(one[name]) for name in ("read", "wrongly_flagged", "mirrored_flagged", "misplaced_flagged")))
        for part, words in {"held_out_patients": "held-out patients", "development_set": "development set"}.items()
        for source, one in figures[part].items()
    ]  # fmt: skip
    yield from table(
        ("side markers of", "images", "read", "wrongly flagged", "mirror images flagged", "misplaced markers flagged"),
        rows,
    )


def _lung_field(figures: Figures) -> Iterable[str]:
    """Agreement of the lung field with others' masks and with outlines by points."""
    yield from ("", figures["about"], "")
    parts = {"masks_drawn_by_others": "masks drawn by others", "held_out_patients": "held-out patients",
             "development_set": "development set"}  # fmt: skip
    rows = [
        (f"{words}, {source}", str(one["images"]), *(number(one[name]) for name in ("mean", "median", "p10", "least")))
        for part, words in parts.items()
        for source, one in figures[part].items()
    ]
    yield from table(("lung field against", "images", "mean", "median", "10th percentile", "least"), rows)


def _between(one: Figures, name: str) -> str:
    return with_interval(one[name], (one[f"{name}_low"], one[f"{name}_high"]))


def denoiser_section(card: Figures) -> Iterable[str]:
    """Gain and slopes of edges by hospital, at the pitch of a detector and at the images' own."""
    metrics = card["metrics"]
    yield from (f"## {card['name']}-{card['version']}", "")
    yield f"{metrics['images']} images of as many patients of hospitals that no training saw: "
    yield "[Enhanced copies](../explanation/enhancement.md)."
    yield ""
    rows = []
    for place, fidelity in metrics["fidelity"].items():
        for hospital, methods in (("all", fidelity), *fidelity["hospitals"].items()):
            for dose in _DOSES:
                one = methods["learned"][dose]
                low, high = one["gain_interval"]
                rows.append((hospital, place.replace("_", " "), dose, str(one["images"]),
                             f"{one['gain_db']:+.1f} ({low:+.1f} to {high:+.1f})", percent(one["gained_share"]),
                             f"{one['ssim_gain']:+.3f}", number(one["slope_kept"])))  # fmt: skip
    head = ("hospital", "pitch", "dose", "images", "PSNR gain in dB (95 %)", "images that gain", "SSIM gain",
            "slope of edges kept")  # fmt: skip
    yield from table(head, rows)
