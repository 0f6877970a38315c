"""Puts a mutant into a process that has already loaded miqa_node: functions get the code of the changed file."""

from __future__ import annotations

import gc
import sys
from collections import defaultdict
from pathlib import Path
from types import CodeType, FunctionType


class Functions:
    """All functions of this process, by the file that they come from."""

    def __init__(self) -> None:
        self._by_file: dict[str, list[FunctionType]] = {}
        gc.unfreeze()  # what is frozen is not listed, and tests freeze what they have loaded
        for one in gc.get_objects():
            if type(one) is FunctionType:
                self._by_file.setdefault(one.__code__.co_filename, []).append(one)

    def replace(self, file: Path, before: bytes, after: bytes) -> int:
        """Give the functions of a file their new code; how many got one. Functions that they make later follow.

        A ValueError means that the file is loaded, and none of its functions is known to have changed.
        """
        old, new = (_codes(compile(text, str(file), "exec", dont_inherit=True)) for text in (before, after))
        codes: dict[CodeType, CodeType] = {}
        for name, some in old.items():
            if len(some) == len(new.get(name, ())):  # else those inside what no longer runs; nothing else has them
                codes.update(zip(some, new[name], strict=True))
        count = 0
        for function in self._by_file.get(str(file), ()):
            code = codes.get(function.__code__)
            if code is not None and code != function.__code__:
                function.__code__ = code
                count += 1
        if not count and any(getattr(one, "__file__", None) == str(file) for one in list(sys.modules.values())):
            raise ValueError(f"no loaded function of {file} has changed")
        return count


def _codes(code: CodeType) -> dict[str, list[CodeType]]:
    """A code object and all inside it, in the order of the text, by name."""
    hits, open_ones = defaultdict[str, list[CodeType]](list), [code]
    while open_ones:
        one = open_ones.pop()
        hits[one.co_qualname].append(one)
        open_ones += reversed([each for each in one.co_consts if isinstance(each, CodeType)])
    return hits
