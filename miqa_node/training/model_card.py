"""MODEL_CARD.md: the card of a package as a page for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def model_card(card: Mapping[str, Any]) -> str:
    """Markdown of a whole card; every figure in it comes from the card."""
    training, calibration = card["training"], card["calibration"]
    lines = [
        f"# {card['name']} {card['version']}",
        "",
        "Generated from card.yaml; do not edit.",
        "",
        card["intended_use"],
        "",
        "**Not for:** " + "; ".join(card["not_for"]) + ".",
        "",
        "## Limits",
        *(f"- {limit}" for limit in card["limits"]),
        "",
        "## Figures",
        *_figures(card["metrics"]),
        "",
        "## Operating points",
        f"{calibration['operating_points']}. {calibration['method']}; {calibration['data']}.",
        "",
        "| class | code | threshold | temperature | bias | calibration error |",
        "|---|---|---|---|---|---|",
        *(
            f"| {c['name']} | {c['code']['value']} {c['code']['meaning']} | {c['threshold']} | {c['temperature']} "
            f"| {c['bias']} | {calibration['expected_calibration_error'][c['name']]} |"
            for c in card["outputs"]["classes"]
        ),
        "",
        "## Training",
        f"Command: `{training['command']}`. {training['simulated']}",
        (
            f"Seed {training['seed']}, {training['steps']} steps of {training['batch']} images in "
            f"{training['minutes']} minutes on {training['machine']}. History: {training['history']}."
        ),
        "",
        "| source | licence | images | patients |",
        "|---|---|---|---|",
        *(f"| {d['source']} | {d['licence']} | {d['images']} | {d['patients']} |" for d in training["data"]),
        "",
    ]
    return "\n".join(lines)


def _figures(metrics: Mapping[str, Any]) -> list[str]:
    simulated, clean, real = metrics["simulated"], metrics["clean"], metrics["real_objects"]
    worst = simulated["worst"]
    rows = [
        f"| {'**' + name + '**' if name == worst else name} | {f['auroc']} ({f['interval'][0]}–{f['interval'][1]}) "
        f"| {' / '.join(str(v) for v in f['by_severity'].values())} | {f['recall_at_95_specificity']} "
        f"| {f['severity_rank_correlation']} | {f['native_pitch']['auroc']} ({f['native_pitch']['images']}) |"
        for name, f in simulated["findings"].items()
    ]
    unseen = simulated["unseen_object_family"]
    return [
        (
            f"On {metrics['data']}. Simulated defects of severity {simulated['severity']}. Mean AUROC "
            f"{simulated['mean_auroc']}, mean rank correlation of severity "
            f"{simulated['mean_severity_rank_correlation']}."
        ),
        "",
        (
            "| finding | AUROC (95 %) | at severity .25 / .5 / .75 / 1 | recall at 95 % specificity | severity rank r "
            "| AUROC at native pitch (images) |"
        ),
        "|---|---|---|---|---|---|",
        *rows,
        "",
        (
            f"Objects of the generator family not seen in training (real cut-outs): {unseen['cutouts_auroc']} "
            f"({unseen['interval'][0]}–{unseen['interval'][1]}), of the seen one {unseen['shapes_auroc']}."
        ),
        "",
        (
            f"Real objects and devices on {real['images']} images: AUROC {real['auroc']} ({real['interval'][0]}–"
            f"{real['interval'][1]}); Pointing Game {real['pointing_game']} ({real['pointing_game_interval'][0]}–"
            f"{real['pointing_game_interval'][1]}), without tolerance {real['pointing_game_no_tolerance']}, centre of "
            f"the image {real['pointing_game_centre']}, random point {real['pointing_game_random']}."
        ),
        "",
        (
            f"Unremarkable images flagged: {clean['unremarkable_flagged']:.1%} of {clean['unremarkable_images']} "
            f"({_by(clean['unremarkable_flagged_by'])}); of the other {clean['other_images']} images "
            f"{clean['other_flagged']:.1%} ({_by(clean['other_flagged_by'])})."
        ),
        "",
        "Gate, AUROC: " + ", ".join(f"{name} {value}" for name, value in metrics["gate"].items()) + ".",
        *(["", f"Time: {metrics['milliseconds']}"] if "milliseconds" in metrics else []),
    ]


def _by(flags: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in flags.items()) or "none"
