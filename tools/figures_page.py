"""docs/reference/figures.md: what the cards of the shipped packages say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from miqa_node.interfaces.cli.output import number
from miqa_node.stages.assess.card import read_sections
from miqa_node.stages.assess.two_sides import WEAK
from tools.figures_others import (
    denoiser_section,
    landmarks_section,
    objects_section,
    pneumonia_section,
    targets_section,
)
from tools.figures_rooms import rooms_section
from tools.figures_table import Figures, percent, table, with_interval

_INTRODUCTION = """\
Made from the cards of the packages in `models/`, so no figure here is older than the package that ships; those of
[rooms](#out-of-the-box-and-after-fifty-images-of-a-room) are those of the newest run in `benchmarks/results`. What the
figures mean and what they do not show is explained with each method: [the model](../explanation/quality.md),
[saliency](../explanation/saliency.md), [unusual images](../explanation/anomaly.md),
[classical models](../explanation/classical.md), [positioning](../explanation/positioning.md),
[enhanced copies](../explanation/enhancement.md) and [pneumonia](../explanation/pneumonia.md).
*Macro* is the mean over the hospitals, in brackets its 95 % interval
by bootstrap over patients; *pooled* counts every image alike. A dash: the card has no such figure."""
_HOSPITAL_FREE = frozenset({"called_foreign_object_with_devices_only", "called_foreign_object_with_nothing",
                            "removable_found"})  # fmt: skip
"""Rows of ``objects`` that are shares of flagged images instead of AUROC."""


def figures_page(note: str, models: Path) -> str:
    """The whole page; ``models`` is the folder of the shipped packages."""
    network, classical = _newest(models, "quality-[0-9]*"), _newest(models, "quality-classical-*")
    name = f"{network['name']}-{network['version']}"
    metrics, anomaly = network["metrics"], network["anomaly"]["metrics"]
    lines = [
        "# Figures of the shipped packages", "", note, *_INTRODUCTION.splitlines(), "",
        f"## {name}", "", f"{metrics['data']}. {metrics['note'][0].upper()}{metrics['note'][1:]}.", "",
        *_both_sides(network.get("two_sides")), *_simulated(metrics["simulated"], classical),
        *_objects(metrics["objects"]), *_pointing(metrics["saliency"]),
        *_readers(metrics["readers"]), *_unusual(anomaly), *_limits(anomaly["other_hospitals"]),
        *rooms_section(),
        *_any_part(_newest(models, "any-radiograph-*")),
        *objects_section(_newest(models, "objects-*")), *targets_section(_newest(models, "objects-*")),
        *targets_section(_newest(models, "landmarks-*")),
        *landmarks_section(_newest(models, "landmarks-*")), *denoiser_section(_newest(models, "denoiser-*")),
        *pneumonia_section(_newest(models, "pneumonia-ensemble-*")),
    ]  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"


def _newest(models: Path, pattern: str) -> Figures:
    return read_sections(max(models.glob(pattern)))


def _both_sides(sides: Figures | None) -> Iterable[str]:
    """What is found at the point that ships, and what is flagged wrongly there."""
    if sides is None:
        return
    yield from ("### Found, and flagged wrongly", "", f"{sides['about']} Shares are means over the sources.", "")
    for word in ("usable", "clean"):
        flagged = sides.get(f"{word}_flagged")
        if not flagged or not flagged["sources"]:
            continue
        each = ", ".join(f"{name} {count} of {images}" for name, (count, images) in flagged["sources"].items())
        yield f"- Of {word} images as they are, {percent(flagged['share'])} are flagged ({each})."
    yield ""
    sources = list(dict.fromkeys(name for one in sides["findings"].values() for name in one["sources"]))
    rows = [
        (_named(name, one), number(one["found"]), number(one["found_severe"]), number(one["clean_flagged"]),
         *(_of_source(one["sources"].get(source)) for source in sources))
        for name, one in sides["findings"].items()
    ]  # fmt: skip
    yield from table(("finding", "found", "severity .75 and more", "flagged wrongly", *sources), rows)
    yield "*Weak*: it finds less than half of the marked defects. Of each source: found / flagged wrongly."
    yield ""


def _any_part(card: Figures) -> Iterable[str]:
    """Both sides of the package for any radiograph: of its heads where a source was left out, and of the node."""
    metrics = card["metrics"]
    yield from (f"## {card['name']}-{card['version']}", "", "### Sources left out", "", f"{metrics['about']}.", "")
    sources = list(dict.fromkeys(name for one in metrics["findings"].values() for name in one["sources"]))
    rows = [
        (_named(name, one), number(one["auroc"]), number(one["found"]), number(one["found_at_own_limit"]),
         number(one["clean_flagged"]), *(_of_source(one["sources"].get(source)) for source in sources))
        for name, one in metrics["findings"].items()
    ]  # fmt: skip
    yield from table(("finding", "AUROC", "found", "with an own limit", "flagged wrongly", *sources), rows)
    yield "*Weak*: it finds less than half of the marked defects. Of each source: found / flagged wrongly."
    yield ""
    yield from _both_sides(card.get("two_sides"))


def _named(name: str, one: Figures) -> str:
    return f"`{name}`, **weak**" if one["found"] < WEAK else f"`{name}`"


def _of_source(one: Figures | None) -> str:
    return "–" if one is None else f"{number(one['found'])} / {number(one['clean_flagged'])}"


def _simulated(simulated: Figures, classical: Figures) -> Iterable[str]:
    label = f"{classical['name']}-{classical['version']}"
    beside = classical["metrics"]["simulated"]
    yield from ("### Simulated defects", "", f"Severity {simulated['severity']}.", "")
    yield (
        f"`{label}` is the logistic regression on measurements, as its own card has it: on the same images, with the "
        "simulators of its date, and with noise and underexposure as one finding."
    )
    yield ""
    rows = [
        (f"`{name}`", with_interval(one["auroc_macro"], one["macro_interval"]), number(one["auroc"]),
         number(one["recall_at_95_specificity"]), number(beside["findings"].get(name, {}).get("auroc")))
        for name, one in simulated["findings"].items()
    ]  # fmt: skip
    mean = ("**mean**", number(simulated["mean_auroc_macro"]), number(simulated["mean_auroc"]), "–",
            number(beside["mean_auroc"]))  # fmt: skip
    head = ("finding", "AUROC, macro", "AUROC, pooled", "recall at 95 % specificity", f"`{label}`, pooled")
    yield from table(head, [*rows, mean])


def _objects(objects: Figures) -> Iterable[str]:
    yield from ("### Real objects and devices", "", "AUROC, and shares of images at the shipped operating point.", "")
    rows = [
        (name.replace("_", " ") + (" (share)" if name in _HOSPITAL_FREE else ""),
         with_interval(one["macro"], one["macro_interval"]), number(one["pooled"]), *map(number, _each(one)),
         str(one["images"]))
        for name, one in objects.items()
    ]  # fmt: skip
    yield from table(("", "macro", "pooled", *_hospitals(objects), "images"), rows)


def _pointing(saliency: Figures) -> Iterable[str]:
    yield from ("### Pointing Game", "", "On real objects and devices together, every method on the same images.", "")
    rows = [
        (f"`{method}`", with_interval(one["both"]["macro"], one["both"]["macro_interval"]),
         *(number(one["both"][key]) for key in ("pooled", "no_tolerance_macro", "compact_macro", "compact_pooled")),
         number(one["foreign_object"]["macro"]), number(one["device_in_view"]["macro"]))
        for method, one in saliency.items()
    ]  # fmt: skip
    head = ("method", "macro", "pooled", "no tolerance, macro", "compact boxes, macro", "compact boxes, pooled",
            "objects alone, macro", "devices alone, macro")  # fmt: skip
    yield from table(head, rows)


def _readers(readers: Figures) -> Iterable[str]:
    yield from ("### Agreement with readers", "", "AUROC of the finding against what readers graded.", "")
    rows = [
        (grade.replace("_", " "), one["finding"].replace("_", " "),
         with_interval(one["macro"], one["macro_interval"]), number(one["pooled"]), number(one.get("marked_pooled")))
        for grade, one in readers.items()
    ]  # fmt: skip
    yield from table(("readers saw", "the network says", "macro", "pooled", "marked grades only, pooled"), rows)


def _unusual(anomaly: Figures) -> Iterable[str]:
    yield from ("### Unusual images", "", f"{anomaly['data']}. AUROC against ordinary chest radiographs.", "")
    compared = anomaly["features_compared"]
    rows = [("no frontal chest", with_interval(anomaly["not_chest"]["auroc"], anomaly["not_chest"]["interval"]))]
    real = anomaly["real_objects"]
    rows += [("real objects and devices", with_interval(real["auroc"], real["interval"]))]
    rows += [("simulated defects, mean", number(anomaly["simulated"]["mean_auroc"]))]
    rows += [
        (f"‣ `{name}`", with_interval(one["auroc"], one["interval"]))
        for name, one in anomaly["simulated"]["findings"].items()
    ]
    yield from table(("", "AUROC (95 %)"), rows)
    rows_compared = [
        (features, *(number(one[key]) for key in ("simulated", "not_chest", "real_objects", "cxr_eval_above_limit")))
        for features, one in compared.items()
    ]
    yield from table(("features", "simulated", "no chest", "real objects", "flagged at the limit"), rows_compared)
    regions = anomaly["regions"]
    yield (
        f"The peak of the region map lies on a real object or device in {percent(regions['pointing_game'])} of "
        f"{regions['images']} images; the centre of the image does in {percent(regions['pointing_game_centre'])}, a "
        f"random place in {percent(regions['pointing_game_random'])}."
    )
    yield ""


def _limits(others: Figures) -> Iterable[str]:
    yield from ("Images of other hospitals above a percentile of the baseline:", "")
    above, own = others["above"], others["with_own_baseline"]
    groups = ("cxr_eval", "second_hospital")
    rows = [
        (f"{float(limit):g}", *(cell for group in groups
                                for cell in (percent(above[group][limit]), percent(own[group].get(limit)))))
        for limit in above["cxr_eval"]
    ]  # fmt: skip
    head = ["percentile", *(f"`{group}`, {whose}" for group in groups for whose in ("training's baseline", "its own"))]
    yield from table(head, rows)


def _hospitals(rows: Figures) -> list[str]:
    return list(next(iter(rows.values()))["hospitals"])


def _each(row: Figures) -> list[float | None]:
    return list(row["hospitals"].values())
