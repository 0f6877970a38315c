"""The last step of every package: puts the card into graphs, derives gradient graphs, adds checksums, writes pages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import yaml

from miqa_node.stages.assess.card import (
    CARD_NAME,
    METADATA_KEY,
    PAGE_NAME,
    SIGNATURE_NAME,
    YOUNGER,
    BaseCard,
    Card,
    Task,
)
from miqa_node.stages.assess.model_card import model_card
from miqa_node.stages.assess.sidecars import CARDS
from miqa_node.stages.explain.derivation import write_gradients

CHEST_RADIOGRAPHS: dict[str, list[str]] = {
    "modality": ["CR", "DX", "OT", "SC"],
    "body_part": ["CHEST", "THORAX", ""],
    "view": ["PA", "AP", ""],
}
"""Section ``applicability`` of packages for frontal chests."""


def golden_pairs(names: Sequence[str]) -> list[dict[str, str]]:
    """The section ``golden`` of a card, from the pictures in the folder of that name."""
    return [{"input": f"golden/{name}.png", "expected": f"golden/{name}.json"} for name in names]


def seal(folder: Path, card: dict[str, Any]) -> Path:
    """Write card.yaml and MODEL_CARD.md for the files in the folder; returns the folder.

    ``card`` is plain data; checksums that it already has are replaced. Other metadata of the graphs stays.
    """
    # Through JSON once, so that card.yaml and the card in the graph hold the same plain numbers.
    plain: dict[str, Any] = json.loads(json.dumps({name: value for name, value in card.items() if name != "files"}))
    inside = {name: value for name, value in plain.items() if name not in YOUNGER}
    unsealed = _kind(plain).model_validate(plain | {"files": {}})
    for name in unsealed.graphs:
        graph = onnx.load(str(folder / name))
        metadata = {item.key: item.value for item in graph.metadata_props}
        onnx.helper.set_model_props(graph, {**metadata, METADATA_KEY: json.dumps(inside, sort_keys=True)})
        onnx.save(graph, str(folder / name))
    write_gradients(folder, unsealed)
    unlisted = {CARD_NAME, PAGE_NAME, SIGNATURE_NAME}
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in unlisted)
    plain["files"] = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    page = model_card(_kind(plain).model_validate(plain))
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)
    (folder / CARD_NAME).write_text(text, encoding="utf-8")
    (folder / PAGE_NAME).write_text(page, encoding="utf-8")
    return folder


def _kind(sections: dict[str, Any]) -> type[BaseCard]:
    return CARDS.get(Task(sections.get("task", Task.QUALITY)), Card)
