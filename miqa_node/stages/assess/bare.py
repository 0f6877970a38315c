"""A model package in one file: card, goldens and anomaly file of a bare ``.onnx`` are in its own metadata.

Metadata keys (ONNX ``metadata_props``): ``miqa_card`` is the card as JSON without ``files``; ``miqa_goldens`` is a
JSON object from the name of each golden input to ``{"png": base64, "expected": {...}}``; ``miqa_anomaly`` is
the anomaly file of the card, ``miqa_anomaly_forest`` its forest and ``miqa_gradients`` the gradient graph, all base64.
Only these and the graph are read; only graphs are executed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from miqa_node.core.files.whole_file import write_whole
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.anomaly.files import AnomalyFiles
from miqa_node.stages.assess.card import METADATA_KEY, Card, explain_card_error, gradient_file
from miqa_node.stages.assess.onnx_format import ModelProto, StringStringEntryProto
from miqa_node.stages.assess.self_contained import parse_graph, read_graph

GOLDENS_KEY = "miqa_goldens"
ANOMALY_KEY, FOREST_KEY = "miqa_anomaly", "miqa_anomaly_forest"
GRADIENTS_KEY = "miqa_gradients"
MAX_GRAPH_BYTES = 2_000_000_000
"""Size limit of the format (protobuf); larger graphs need external weights, which a bare file cannot have."""
MAX_CARD_CHARACTERS = 1_000_000
MAX_GOLDENS = 64


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a graph.

    Raises
    ------
    ModelPackageError
        The file is not an ONNX graph, or keeps its weights in other files.
    """
    if path.stat().st_size > MAX_GRAPH_BYTES:
        raise ModelPackageError(
            "{path}: a graph is never larger than {max_graph_bytes} bytes.",
            path=path.name,
            max_graph_bytes=MAX_GRAPH_BYTES,
        )
    return {item.key: item.value for item in read_graph(path).metadata_props}


def bare_card(name: str, metadata: Mapping[str, str]) -> Card:
    """The card inside a bare graph.

    Raises
    ------
    ModelPackageError
        The graph has no card, or the card does not follow the schema.
    """
    text = metadata.get(METADATA_KEY)
    if text is None:
        raise ModelPackageError(
            "{name}: the graph holds no card in its metadata ({metadata_key}).", name=name, metadata_key=METADATA_KEY
        )
    if len(text) > MAX_CARD_CHARACTERS:
        raise ModelPackageError(
            "{name}: a card is never longer than {max_card_characters} characters.",
            name=name,
            max_card_characters=MAX_CARD_CHARACTERS,
        )
    try:
        sections = json.loads(text)
        return Card.model_validate({**sections, "files": {}})
    except ValidationError as error:
        raise ModelPackageError(
            "{name}: the card does not follow the schema: {error}", name=name, error=explain_card_error(error)
        ) from error
    except (ValueError, TypeError) as error:
        raise ModelPackageError("{name}: the card in the metadata is not JSON.", name=name) from error


def embedded_goldens(name: str, metadata: Mapping[str, str]) -> dict[str, tuple[bytes, bytes]]:
    """Golden inputs (PNG) and expected outputs (JSON) by name; empty if the graph has none.

    Raises
    ------
    ModelPackageError
        The graph has goldens that cannot be read.
    """
    text = metadata.get(GOLDENS_KEY)
    if text is None:
        return {}
    try:
        content = json.loads(text)
        goldens = {
            key: (base64.b64decode(golden["png"], validate=True), json.dumps(golden["expected"]).encode())
            for key, golden in content.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error) as error:
        raise ModelPackageError("{name}: the goldens in the metadata cannot be read.", name=name) from error
    if len(goldens) > MAX_GOLDENS:
        raise ModelPackageError("{name}: more than {max_goldens} goldens.", name=name, max_goldens=MAX_GOLDENS)
    return goldens


def embedded_anomaly(name: str, metadata: Mapping[str, str]) -> AnomalyFiles | None:
    """The anomaly files inside a bare graph; None if there are none. ModelPackageError if one cannot be read."""
    arrays = _embedded(name, metadata, ANOMALY_KEY, Phrase("anomaly file"))
    return AnomalyFiles(arrays, _embedded(name, metadata, FOREST_KEY, Phrase("anomaly forest"))) if arrays else None


def embedded_gradients(name: str, metadata: Mapping[str, str]) -> ModelProto | None:
    """The gradient graph inside a bare graph; None if there is none. ModelPackageError if it cannot be read."""
    gradients = _embedded(name, metadata, GRADIENTS_KEY, Phrase("gradient graph"))
    return parse_graph(gradients, f"{name}: the gradient graph in the metadata") if gradients else None


def pack(folder: Path, card: Card, graph_name: str, out: Path) -> None:
    """Write a package folder as one bare graph; ``folder`` must have passed its checks."""
    model = read_graph(folder / graph_name)
    goldens = {
        golden.input: {
            "png": base64.b64encode((folder / golden.input).read_bytes()).decode(),
            "expected": json.loads((folder / golden.expected).read_text("utf-8")),
        }
        for golden in card.golden
    }
    metadata = {item.key: item.value for item in model.metadata_props}
    metadata |= {
        METADATA_KEY: json.dumps(card.model_dump(mode="json", exclude={"files"})),
        GOLDENS_KEY: json.dumps(goldens),
    }
    files = {GRADIENTS_KEY: gradient_file(graph_name)}
    if card.anomaly is not None:
        files |= zip((ANOMALY_KEY, FOREST_KEY), card.anomaly.files, strict=False)
    metadata |= {
        key: base64.b64encode((folder / name).read_bytes()).decode()
        for key, name in files.items()
        if name in card.files
    }
    del model.metadata_props[:]
    model.metadata_props.extend(StringStringEntryProto(key=key, value=value) for key, value in metadata.items())
    write_whole(out, model.SerializeToString())


def _embedded(name: str, metadata: Mapping[str, str], key: str, what: str) -> bytes:
    try:
        return base64.b64decode(metadata.get(key, ""), validate=True)
    except (ValueError, binascii.Error) as error:
        raise ModelPackageError(
            "{name}: the {section} in the metadata cannot be read.", name=name, section=what
        ) from error
