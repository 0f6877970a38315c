"""The last step of a package of several graphs: embeds the card in each, adds checksums and writes the pages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import yaml

from miqa_node.assess.card import CARD_NAME, METADATA_KEY, PAGE_NAME
from miqa_node.assess.classify.card import ClassifierCard
from miqa_node.assess.model_card import model_card


def seal(folder: Path, card: Mapping[str, Any]) -> Path:
    """Put the card into every graph, checksums into the card, and write card.yaml and MODEL_CARD.md."""
    # Through JSON once, so that card.yaml and the cards in the graphs hold the same plain numbers.
    plain: dict[str, Any] = json.loads(json.dumps({name: value for name, value in card.items() if name != "files"}))
    for name in ClassifierCard.model_validate(plain | {"files": {}}).graphs:
        graph = onnx.load(str(folder / name))
        onnx.helper.set_model_props(graph, {METADATA_KEY: json.dumps(plain, sort_keys=True)})
        onnx.save(graph, str(folder / name))
    paths = [*sorted(folder.glob("*.onnx")), *sorted((folder / "golden").iterdir())]
    plain["files"] = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120)
    (folder / CARD_NAME).write_text(text, encoding="utf-8")
    (folder / PAGE_NAME).write_text(model_card(ClassifierCard.model_validate(plain)), encoding="utf-8")
    return folder
