"""The shipped package: its card follows the schema, its files are those of the card, its goldens hold, it is small."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml

from miqa_node.core.taxonomy.lookup import defect_names, gate_names
from miqa_node.stages.assess.card import METADATA_KEY, YOUNGER, Card
from miqa_training.degrade.sheet import sample_chest
from tests.pictures import picture_pixels

pytestmark = pytest.mark.more

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = sorted(p.parent for p in (ROOT / "models").glob("quality-[0-9]*/card.yaml"))
LARGEST_PACKAGE_BYTES = 8_000_000


def test_schema_is_that_of_the_code() -> None:
    written = json.loads((ROOT / "miqa_node" / "stages" / "assess" / "card.schema.json").read_text("utf-8"))
    made = Card.model_json_schema()
    assert {k: v for k, v in written.items() if k not in {"$schema", "title"}} == {
        k: v for k, v in made.items() if k != "title"
    }


def test_there_is_a_package() -> None:
    assert PACKAGES


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda p: p.name)
def test_card_and_files_belong_together(folder: Path) -> None:
    raw = yaml.safe_load((folder / "card.yaml").read_text("utf-8"))
    card = Card.model_validate(raw)
    assert folder.name == f"{card.name}-{card.version}"
    names = [row.name for row in card.outputs.classes]
    assert names == [*defect_names(), *gate_names()]
    on_disk = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert on_disk == {*card.files, "card.yaml", "MODEL_CARD.md"}
    for name, expected in card.files.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected, name
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) < LARGEST_PACKAGE_BYTES
    embedded = {p.key: p.value for p in onnx.load(folder / "model.onnx").metadata_props}[METADATA_KEY]
    assert json.loads(embedded) == {k: v for k, v in raw.items() if k not in {"files", *YOUNGER}}


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda p: p.name)
def test_model_card_states_the_figures_and_limits_of_the_card(folder: Path) -> None:
    raw = yaml.safe_load((folder / "card.yaml").read_text("utf-8"))
    page = (folder / "MODEL_CARD.md").read_text("utf-8")
    for limit in raw["limits"]:
        assert limit in page
    assert str(raw["metrics"]["simulated"]["mean_auroc"]) in page
    assert str(raw["metrics"]["real_objects"]["pointing_game"]) in page
    assert raw["training"]["command"] in page


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda p: p.name)
def test_goldens_hold_and_tell_images_apart(folder: Path) -> None:
    """Every golden gives what the package says it gives; the inverted chest, phantom and blank do not pass the gate."""
    pytest.importorskip("torch")
    from miqa_training.graph import QualityGraph

    card = Card.model_validate(yaml.safe_load((folder / "card.yaml").read_text("utf-8")))
    graph = QualityGraph(folder / "model.onnx", card.preprocess)
    rows = card.outputs.classes
    over = {}
    for golden in card.golden:
        pixels = picture_pixels(folder / golden.input)
        assert pixels.dtype == np.uint8
        prediction = graph(pixels.astype(np.uint16) * 257)
        logits = prediction.logits.astype(np.float64)
        probability = 1 / (1 + np.exp(-(logits + [r.bias for r in rows]) / np.array([r.temperature for r in rows])))
        expected = json.loads((folder / golden.expected).read_text("utf-8"))
        assert np.abs(probability - expected["probability"]).max() < 2e-3
        assert np.abs(prediction.severity - expected["severity"]).max() < 2e-3
        over[Path(golden.input).stem] = {r.name for r, p in zip(rows, probability, strict=True) if p >= r.threshold}
    assert len(over) == 8
    assert "inverted" in over["inverted"]
    assert "not_frontal_chest" in over["phantom"]
    assert "blank" in over["blank"]
    assert not over["chest"] & set(gate_names())


def test_sample_chest_is_a_picture() -> None:
    stored = np.arange(1000, 27000, 13, dtype=np.uint16).reshape(-1, 40)
    shown = sample_chest(stored)
    assert shown.dtype == np.float32
    assert shown[0].mean() > shown[-1].mean(), "RG1 is MONOCHROME1: high stored values are black"
