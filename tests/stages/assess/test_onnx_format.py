"""The messages that the node knows of are those of ONNX, and what it does not know stays in a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

from miqa_node.stages.assess.onnx_format import MESSAGES, ModelProto
from tests.conftest import ROOT

OF_ONNX: dict[str, Any] = {
    **{name: getattr(onnx, name).DESCRIPTOR for name in MESSAGES if name != "Tensor"},
    "Tensor": onnx.TypeProto.Tensor.DESCRIPTOR,
}


@pytest.mark.parametrize("name", MESSAGES)
def test_fields_have_the_numbers_and_types_of_onnx(name: str) -> None:
    for field, (number, kind) in MESSAGES[name].items():
        other = OF_ONNX[name].fields_by_name[field]
        plain = kind.removesuffix("*")
        assert (other.number, other.is_repeated) == (number, kind.endswith("*")), field
        if plain in MESSAGES:
            assert other.message_type.name == plain, field
        else:  # an enumeration is an int32 on the wire
            assert other.type in {getattr(other, f"TYPE_{plain.upper()}"), other.TYPE_ENUM}, field


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("*/*.onnx")), ids=str)
def test_a_graph_stays_what_it_is(path: Path) -> None:
    data = path.read_bytes()
    again = ModelProto.FromString(data).SerializeToString()
    assert onnx.load_model_from_string(again) == onnx.load_model_from_string(data)
