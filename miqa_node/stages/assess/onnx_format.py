"""The messages of ONNX files that the node reads and rewrites.

The package onnx would take some 10 MB in every process. protobuf, which ONNX Runtime brings, is enough: only the fields
that the node uses are named here, with their numbers in ``onnx.proto``; protobuf keeps all others as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto, ValueInfoProto

EXTERNAL = 1
"""TensorProto.data_location of a tensor whose values are in another file."""
FLOAT, INT64 = 1, 7
"""TensorProto.data_type of the elements."""

MESSAGES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "StringStringEntryProto": {"key": (1, "string"), "value": (2, "string")},
    "TensorProto": {
        "dims": (1, "int64*"),
        "data_type": (2, "int32"),
        "float_data": (4, "float*"),
        "name": (8, "string"),
        "raw_data": (9, "bytes"),
        "data_location": (14, "int32"),
    },
    "SparseTensorProto": {"values": (1, "TensorProto"), "indices": (2, "TensorProto")},
    "TypeProto": {"tensor_type": (1, "Tensor")},
    "Tensor": {"elem_type": (1, "int32")},
    "ValueInfoProto": {"name": (1, "string"), "type": (2, "TypeProto")},
    "AttributeProto": {
        "name": (1, "string"),
        "t": (5, "TensorProto"),
        "g": (6, "GraphProto"),
        "ints": (8, "int64*"),
        "tensors": (10, "TensorProto*"),
        "graphs": (11, "GraphProto*"),
        "sparse_tensor": (22, "SparseTensorProto"),
        "sparse_tensors": (23, "SparseTensorProto*"),
    },
    "NodeProto": {
        "input": (1, "string*"),
        "output": (2, "string*"),
        "name": (3, "string"),
        "op_type": (4, "string"),
        "attribute": (5, "AttributeProto*"),
    },
    "GraphProto": {
        "node": (1, "NodeProto*"),
        "name": (2, "string"),
        "initializer": (5, "TensorProto*"),
        "input": (11, "ValueInfoProto*"),
        "output": (12, "ValueInfoProto*"),
        "value_info": (13, "ValueInfoProto*"),
        "sparse_initializer": (15, "SparseTensorProto*"),
    },
    "FunctionProto": {"node": (7, "NodeProto*")},
    "OperatorSetIdProto": {"domain": (1, "string"), "version": (2, "int64")},
    "ModelProto": {
        "ir_version": (1, "int64"),
        "graph": (7, "GraphProto"),
        "opset_import": (8, "OperatorSetIdProto*"),
        "metadata_props": (14, "StringStringEntryProto*"),
        "functions": (25, "FunctionProto*"),
    },
}
"""Number and type of the fields of each message; ``*`` marks repeated ones."""

_FILE, _PACKAGE = "miqa/onnx_format.proto", "miqa"
_Field = descriptor_pb2.FieldDescriptorProto


def _pool() -> descriptor_pool.DescriptorPool:
    """A pool of our own, because in the default one names could clash with those of the package onnx."""
    file = descriptor_pb2.FileDescriptorProto(name=_FILE, package=_PACKAGE, syntax="proto2")
    for message, fields in MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, (number, kind) in fields.items():
            plain = kind.removesuffix("*")
            field = described.field.add(name=name, number=number)
            field.label = _Field.LABEL_REPEATED if kind.endswith("*") else _Field.LABEL_OPTIONAL
            if plain in MESSAGES:
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{plain}"
            else:
                field.type = _Field.Type.Value(f"TYPE_{plain.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


if not TYPE_CHECKING:
    _classes = message_factory.GetMessageClassesForFiles([_FILE], _pool())
    GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto, ValueInfoProto = (
        _classes[f"{_PACKAGE}.{name}Proto"]
        for name in ("Graph", "Model", "Node", "StringStringEntry", "Tensor", "ValueInfo")
    )

__all__ = [
    "EXTERNAL",
    "FLOAT",
    "INT64",
    "MESSAGES",
    "DecodeError",
    "GraphProto",
    "ModelProto",
    "NodeProto",
    "StringStringEntryProto",
    "TensorProto",
    "ValueInfoProto",
]
