"""Rules of operators that only rearrange elements."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .call import FIRST_AXIS, Call
from .resampling import along_axis
from .rule import rule, unbroadcast
from .tape import Value


@rule("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(call: Call) -> Mapping[int, Value]:
    """Restore the shape of the input; the first axis must not change."""
    input_dims, made = call.dims(), call.output_dims()
    if not input_dims or not made or not _same_rows(call, input_dims, made):
        raise call.unsupported(FIRST_AXIS)
    return {0: call.g.reshaped_like(call.x())}


def _same_rows(call: Call, input_dims: tuple[object, ...], made: tuple[object, ...]) -> bool:
    if call.node.op_type == "Flatten":
        return call.axis(int(call.attributes.get("axis", 1)), len(input_dims)) == 1
    if call.node.op_type == "Squeeze" and not call.has(1):
        return input_dims[0] == made[0] != 1
    if call.node.op_type in {"Squeeze", "Unsqueeze"}:
        rank = max(len(input_dims), len(made))
        return all(int(a) % rank for a in call.constant(1).ravel())
    shape = call.tape.constant_of(call.node.input[1])
    if shape is not None and int(shape[0]) == 0 and not call.attributes.get("allowzero", 0):
        return True
    if input_dims[0] == made[0] and input_dims[0] is not None:
        return True
    # [-1, …]: as many rows as before if each keeps its number of elements.
    sizes = [int(d) for d in (*input_dims[1:], *made[1:]) if isinstance(d, int)]
    is_static = len(sizes) == len(input_dims) + len(made) - 2
    return is_static and bool(np.prod(sizes[: len(input_dims) - 1]) == np.prod(sizes[len(input_dims) - 1 :]))


@rule("Transpose")
def transpose(call: Call) -> Mapping[int, Value]:
    """Restore the order of the axes."""
    order = list(call.attributes.get("perm", range(call.rank())[::-1]))
    if order[0] != 0:
        raise call.unsupported(FIRST_AXIS)
    return {0: call.g.transpose([order.index(n) for n in range(len(order))])}


@rule("Concat")
def concat(call: Call) -> Mapping[int, Value]:
    """Each input receives its part of the gradient."""
    axis, count = call.axis(int(call.attributes["axis"]), call.rank()), len(call.node.input)
    if count == 1:
        return {0: call.g}
    along = [call.dims(n)[axis] for n in range(count)]
    if all(isinstance(d, int) for d in along):
        lengths = call.tape.integers(call.fixed(along))
    else:
        lengths = call.tape.op("Concat", *(call.x(n).sizes(axis, axis + 1) for n in range(count)), axis=0)
    return dict(enumerate(call.tape.ops("Split", [call.g, lengths], count, kind=call.g.kind, axis=axis)))


@rule("Split")
def split(call: Call) -> Mapping[int, Value]:
    """The gradients of the parts, concatenated; 0 for unused parts."""
    axis = call.axis(int(call.attributes.get("axis", 0)), call.rank())
    first_gradient = next(g for g in call.gradients if g is not None)
    parts = []
    for name, gradient in zip(call.node.output, call.gradients, strict=True):
        part = gradient
        if part is None:
            shape = call.tape.op("Concat", first_gradient.sizes(0, 1), call.tape.value(name).sizes(1), axis=0)
            part = call.tape.op("Expand", first_gradient.like(0.0), shape)
        parts.append(part)
    return {0: call.tape.op("Concat", *parts, axis=axis)}


@rule("Slice")
def slice_(call: Call) -> Mapping[int, Value]:
    """Each element goes back to its place, 0 elsewhere; any start, end and step."""
    axes = [int(a) for a in call.constant(3).ravel()] if call.has(3) else range(call.constant(1).size)
    gradient = call.g
    for n, axis in enumerate(axes):
        gradient = _unsliced(call, gradient, n, call.axis(axis, call.rank()))
    return {0: gradient}


def _unsliced(call: Call, gradient: Value, n: int, axis: int) -> Value:
    """Undo the slice along one axis: a slice of the element indices shows where each element went."""
    tape, x = call.tape, call.x()
    starts, ends, *steps = [tape.integers([int(call.constant(i)[n])]) for i in (1, 2, 4) if call.has(i)]
    length = tape.op("Squeeze", x.sizes(axis, axis + 1), tape.integers([0]))
    zero, one = (tape.constant(np.array(v, np.int64)) for v in (0, 1))
    piece = tape.op("Slice", tape.op("Range", zero, length, one), starts, ends, tape.integers([0]), *steps)
    count = tape.op("Squeeze", piece.sizes(), tape.integers([0]))
    nowhere = tape.op("Expand", count, x.sizes(axis, axis + 1))
    where = tape.op("ScatterElements", nowhere, piece, tape.op("Range", zero, count, one), axis=0)
    # A 0 is appended to the gradient; elements outside the slice refer to it.
    pads = tape.integers([0, 1])
    longer = tape.op("Pad", gradient, pads, None, tape.integers([axis]), kind=gradient.kind)
    return tape.op("Gather", longer, where, axis=axis)


@rule("Pad")
def pad(call: Call) -> Mapping[int, Value]:
    """Cut off for constant padding; summed for mirrored or repeated elements."""
    mode, rank = call.attributes.get("mode", b"constant"), call.rank()
    axes = [call.axis(int(a), rank) if a else 0 for a in call.constant(3).ravel()] if call.has(3) else range(rank)
    pads = call.constant(1)
    around = {axis: (int(pads[n]), int(pads[n + len(axes)])) for n, axis in enumerate(axes)}
    if any(around.get(0, (0, 0))):
        raise call.unsupported(FIRST_AXIS)
    gradient, tape = call.g, call.tape
    for axis, (before, after) in around.items():
        if not (before or after):
            continue
        if mode == b"constant":
            gradient = tape.op("Pad", gradient, tape.integers([-before, -after]), None, tape.integers([axis]))
        else:
            [length] = call.fixed(call.dims()[axis : axis + 1])
            eye = tape.constant(np.eye(length, dtype=np.float32))
            matrix = tape.op("Pad", eye, tape.integers([before, after]), None, tape.integers([0]), mode=mode.decode())
            gradient = along_axis(gradient, matrix, axis, rank)
    return {0: gradient}


@rule("Gather")
def gather(call: Call) -> Mapping[int, Value]:
    """Summed at the place of each gathered element; the indices must not depend on the image."""
    call.only(0)
    rank = call.rank()
    axis = call.axis(int(call.attributes.get("axis", 0)), rank)
    [length] = call.fixed(call.dims()[axis : axis + 1])
    indices = call.constant(1)
    matrix = np.eye(length, dtype=np.float32)[np.atleast_1d(indices)]
    if indices.ndim > 1:
        raise call.unsupported("its indices have several axes")
    gradient = call.g if indices.ndim else call.tape.op("Unsqueeze", call.g, call.tape.integers([axis]))
    return {0: along_axis(gradient, call.tape.constant(matrix), axis, rank)}


@rule("Expand")
def expand(call: Call) -> Mapping[int, Value]:
    """Summed along the expanded axes."""
    return {0: unbroadcast(call, call.g, 0)}


@rule("DepthToSpace")
def depth_to_space(call: Call) -> Mapping[int, Value]:
    """The inverse operator; in CRD order the channels are rearranged."""
    block = int(call.attributes["blocksize"])
    gradient = call.tape.op("SpaceToDepth", call.g, blocksize=block)
    if call.attributes.get("mode", b"DCR") == b"CRD":
        [channels] = call.fixed(call.dims()[1:2])
        order = np.arange(channels).reshape(block * block, -1).T.ravel()
        gradient = call.tape.op("Gather", gradient, call.tape.constant(order.astype(np.int64)), axis=1)
    return {0: gradient}


@rule("SpaceToDepth")
def space_to_depth(call: Call) -> Mapping[int, Value]:
    """The inverse operator."""
    return {0: call.tape.op("DepthToSpace", call.g, blocksize=int(call.attributes["blocksize"]), mode="DCR")}
