"""Reads the convolutions of a TensorFlow Lite file as floating-point numbers, for the network of pretrained.py."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from flatbuffers.table import Table
from numpy.typing import DTypeLike, NDArray

IDENTIFIER = b"TFL3"
# Numbers of fields, operators and tensor types: tensorflow/lite/schema/schema.fbs, version 3.
_OPERATOR_CODES, _SUBGRAPHS, _BUFFERS = 1, 2, 4
_TENSORS, _OPERATORS = 0, 3
_SHAPE, _TYPE, _BUFFER, _QUANTISATION = 0, 1, 2, 4
_SCALE, _ZERO_POINT = 2, 3
_CONV_2D, _DEPTHWISE_CONV_2D = 3, 4
_STORED_AS = {0: np.float32, 2: np.int32, 3: np.uint8}


@dataclass(frozen=True, slots=True)
class TfliteLayer:
    """One convolution: ``weight`` (outputs, inputs / groups, h, w) and ``bias`` (outputs,)."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


def read_tflite(content: bytes) -> list[TfliteLayer]:
    """Every convolution of the model, in its order; ValueError if the file is not one.

    An 8-bit number q represents scale · (q - zero point), with one scale per tensor. The published net's rounding
    between layers is omitted.
    """
    if content[4:8] != IDENTIFIER:
        msg = "it is not a TensorFlow Lite flatbuffer"
        raise ValueError(msg)
    try:
        model = Table(content, int.from_bytes(content[:4], "little"))
        return _layers(model)
    except (struct.error, IndexError, TypeError, OverflowError) as error:
        msg = "the flatbuffer is damaged"
        raise ValueError(msg) from error


def _layers(model: Table) -> list[TfliteLayer]:
    codes = [_integer(code, 0, 1) for code in _tables(model, _OPERATOR_CODES)]
    graph, buffers = _tables(model, _SUBGRAPHS)[0], _tables(model, _BUFFERS)
    tensors, layers = _tables(graph, _TENSORS), []
    for operator in _tables(graph, _OPERATORS):
        code = codes[_integer(operator, 0, 4)]
        if code not in {_CONV_2D, _DEPTHWISE_CONV_2D}:
            continue
        _, weight, bias = (tensors[i] for i in _array(operator, 1, np.int32))
        axes = (3, 0, 1, 2) if code == _DEPTHWISE_CONV_2D else (0, 3, 1, 2)
        kernel = np.ascontiguousarray(_real(weight, buffers).transpose(axes))
        layers.append(TfliteLayer(kernel, _real(bias, buffers)))
    return layers


def _real(tensor: Table, buffers: list[Table]) -> NDArray[np.float32]:
    stored_as = _STORED_AS.get(_integer(tensor, _TYPE, 1))
    if stored_as is None:
        msg = "its numbers are stored in a way that this reader does not know (float32, uint8 and int32 it knows)"
        raise ValueError(msg)
    stored = _array(buffers[_integer(tensor, _BUFFER, 4)], 0, np.uint8).view(stored_as)
    shape = _array(tensor, _SHAPE, np.int32)
    if stored_as is np.float32:
        return stored.reshape(shape)
    quantisation = _follow(tensor, tensor.Pos + _offset(tensor, _QUANTISATION))
    scale, zero = _array(quantisation, _SCALE, np.float32), _array(quantisation, _ZERO_POINT, np.int64)
    if scale.size != 1:
        msg = "it has a scale for each channel, this reader knows one for each tensor"
        raise ValueError(msg)
    real = (stored.astype(np.float64) - (int(zero[0]) if zero.size else 0)) * float(scale[0])
    return real.astype(np.float32).reshape(shape)


def _offset(table: Table, field: int) -> int:
    offset: int = table.Offset(4 + 2 * field)
    return offset


def _integer(table: Table, field: int, size: int) -> int:
    """An unsigned integer of ``size`` bytes; 0, the default, if absent."""
    offset = _offset(table, field)
    place = table.Pos + offset
    return int.from_bytes(table.Bytes[place : place + size], "little") if offset else 0


def _follow(table: Table, place: int) -> Table:
    return Table(table.Bytes, table.Indirect(place))


def _tables(table: Table, field: int) -> list[Table]:
    start, count = _vector(table, field)
    return [_follow(table, start + 4 * i) for i in range(count)]


def _array(table: Table, field: int, dtype: DTypeLike) -> NDArray[Any]:
    start, count = _vector(table, field)
    return np.frombuffer(table.Bytes, np.dtype(dtype).newbyteorder("<"), count, start)


def _vector(table: Table, field: int) -> tuple[int, int]:
    """Start and length of a vector; empty if absent."""
    offset = _offset(table, field)
    return (table.Vector(offset), table.VectorLen(offset)) if offset else (0, 0)
