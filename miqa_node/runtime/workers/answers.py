"""Carries what a child process answers: as data alone, so that code that took a child over cannot act as the node.

Answers are pickles, and reading a pickle calls what it names. Here that is only classes of plain data: dataclasses,
enumerations, named tuples, texts, numbers and exceptions of modules that this process has loaded anyway, and those of
_PLAIN. Nothing that was there before, such as a class or the member of an enumeration, can be changed.
"""

from __future__ import annotations

import dataclasses
import io
import pickle
import sys
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:  # a process that only receives never loads it
    import numpy as np
    from numpy.typing import NDArray

MAX_ANSWER_BYTES = 1 << 29
"""More than any object that comes back has (dicom/bytes/uncompressed.py)."""
_PLAIN = {
    "builtins": {"bytearray", "complex", "frozenset", "set", "slice"},
    "collections": {"Counter", "OrderedDict", "deque"},
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "pathlib": {"PosixPath", "PurePosixPath"},
    "pathlib._local": {"PosixPath", "PurePosixPath"},  # of Python 3.13
    "pydantic_core._pydantic_core": {"TzInfo"},
}


class ForbiddenAnswerError(Exception):
    """An answer names something that is not data; its sender is not to be trusted any more."""


def write_answer(value: object) -> bytes:
    """The value for :func:`read_answer`; TypeError if it cannot be written."""
    stream = io.BytesIO()
    try:
        _DataWriter(stream, pickle.HIGHEST_PROTOCOL).dump(value)
    except pickle.PicklingError as error:
        raise TypeError(str(error)) from error
    return stream.getvalue()


def read_answer(answer: bytes) -> Any:
    """The value.

    Raises
    ------
    ForbiddenAnswerError
        It cannot be read, or reading it would do more than make data.
    """
    try:
        return _DataReader(io.BytesIO(answer)).load()
    except (ForbiddenAnswerError, MemoryError):
        raise
    except Exception as error:
        raise ForbiddenAnswerError(f"A worker process gave no readable answer ({type(error).__name__}).") from error


class _DataWriter(pickle.Pickler):
    """Writes what numpy and enumerations of some Python versions would write as calls of functions as plain values."""

    def reducer_override(self, value: Any) -> Any:
        """How to make the value again."""
        numpy: Any = sys.modules.get("numpy")
        if numpy is not None and type(value) is numpy.ndarray and not value.dtype.hasobject:
            order: Literal["C", "F"] = "F" if value.flags.fnc else "C"
            return read_array, (value.tobytes(order), value.dtype.str, value.shape, order)
        if numpy is not None and isinstance(value, numpy.generic):
            return read_array, (value.tobytes(), value.dtype.str, None, "C")
        if numpy is not None and isinstance(value, numpy.dtype):
            return numpy.dtype, (value.str,)
        if isinstance(value, Enum):  # Python 3.11.2, which is Debian 12's, would call getattr
            return type(value), (value.value,)
        return NotImplemented


def read_array(data: bytes, dtype: str, shape: tuple[int, ...] | None, order: str) -> NDArray[Any] | np.generic:
    """A writable array of its bytes; a scalar if it has no shape."""
    import numpy as np  # noqa: PLC0415 - see above

    flat = np.frombuffer(bytearray(data), np.dtype(str(dtype)))
    return flat[0] if shape is None else flat.reshape(shape, order="F" if order == "F" else "C")


class _DataReader(pickle._Unpickler):  # noqa: SLF001 - the one in C has no hook for what is set on a value
    """Finds classes of data only, and sets nothing on what was there before."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)  # noqa: SLF001

    def find_class(self, module: str, name: str, /) -> Any:
        """The class, which is never imported for this."""
        value = getattr(sys.modules.get(module), name, None)
        is_type_of_arrays = (module, name) == ("numpy", "dtype")
        if value is read_array or is_type_of_arrays or name in _PLAIN.get(module, ()) or _is_data(value):
            return value
        raise ForbiddenAnswerError(f"A worker process answered with {module}.{name}, which is not data.")

    def load_build(self) -> None:
        """Set the state of a value that was just made."""
        value = self.stack[-2]  # type: ignore[attr-defined]  # not in its stub
        numpy: Any = sys.modules.get("numpy")
        if isinstance(value, type | Enum) or (numpy is not None and isinstance(value, numpy.dtype)):
            raise ForbiddenAnswerError("A worker process answered with a change of what is not its own.")
        super().load_build()  # type: ignore[misc]  # nor this

    dispatch[pickle.BUILD[0]] = load_build


def _is_data(value: object) -> bool:
    if not isinstance(value, type):
        return False
    is_named_tuple = issubclass(value, tuple) and hasattr(value, "_fields")
    return is_named_tuple or dataclasses.is_dataclass(value) or issubclass(value, str | int | float | Enum | Exception)
