"""Reads the sidecar file of a package, ``anomaly.npz``: named arrays, nothing executable."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_node.errors import ModelPackageError

MAX_FILE_BYTES = 64_000_000

Arrays = Mapping[str, NDArray[Any]]


def load_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an NPZ file; ModelPackageError if it is unreadable, too large or holds objects."""
    if len(data) > MAX_FILE_BYTES:
        raise ModelPackageError(
            "the anomaly file is larger than {max_file_bytes} bytes.", max_file_bytes=MAX_FILE_BYTES
        )
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in archive.files}
    except Exception as error:  # zip, header and value errors share no narrower base class
        raise ModelPackageError("the anomaly file is not an archive of plain arrays.") from error


def dump_arrays(arrays: Arrays) -> bytes:
    """The file of the arrays; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def take(arrays: Arrays, name: str, kind: str, shape: Sequence[int | None]) -> NDArray[Any]:
    """One array, checked for dtype kind ("i", "f") and shape (None: any length); ModelPackageError if it differs."""
    values = arrays.get(name)
    if values is None:
        raise ModelPackageError("the anomaly file has no array {name}.", name=name)
    fits = values.ndim == len(shape) and all(w in (None, n) for w, n in zip(shape, values.shape, strict=True))
    if values.dtype.kind != kind or not fits:
        raise ModelPackageError(
            "the anomaly file's array {name} does not have the kind or shape that it must have.", name=name
        )
    if kind == "f" and not np.isfinite(values).all():
        raise ModelPackageError("the anomaly file's array {name} holds what is not a number.", name=name)
    return values
