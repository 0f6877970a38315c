"""Converts right-to-left text in Hebrew and Arabic letters to drawing order and presentation forms.

A line is assumed to run from left to right, with such words in it (Unicode Annex 9, with one level). Joined Arabic
letters come from the block Arabic Presentation Forms-B, as described in the Unicode database.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import cache

_RIGHT_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
_RUN = re.compile(f"[{_RIGHT_TO_LEFT}](?:[^A-Za-z]*[{_RIGHT_TO_LEFT}])?")
_NUMBER = re.compile(r"[0-9٠-٩]+(?:[.,][0-9٠-٩]+)*")
_FORMS_B = range(0xFE80, 0xFEFD)
_LAM = "\u0644"
_MIRRORED = str.maketrans("()[]<>«»", ")(][><»«")


def as_drawn(line: str) -> str:
    """The line in the order of its glyphs from left to right.

    >>> as_drawn("a \u05d0\u05d1 12") == "a \u05d1\u05d0 12"
    True
    """
    return _RUN.sub(lambda run: _turned(_joined(run[0])), line)


def _turned(run: str) -> str:
    """The text reversed, except for numbers, which run from left to right; marks stay after their letter."""
    groups = re.findall(r"[^\u0300-\u036f\u064b-\u065f\u0591-\u05c7][\u0300-\u036f\u064b-\u065f\u0591-\u05c7]*", run)
    turned = "".join(reversed(groups)).translate(_MIRRORED)
    return _NUMBER.sub(lambda number: number[0][::-1], turned)


def _joined(run: str) -> str:
    forms, ligatures = _forms()
    letters = [one for one in run if not unicodedata.combining(one)]
    out = []
    joins_before, n = False, 0
    while n < len(letters):
        letter = letters[n]
        pair = letters[n : n + 2]
        letter_forms = forms.get(letter, {})
        if letter == _LAM and len(pair) == 2 and pair[1] in ligatures:
            letter_forms, step = ligatures[pair[1]], 2
        else:
            step = 1
        following = letters[n + step] if n + step < len(letters) else ""
        joins_after = "initial" in letter_forms and bool({"final", "medial"} & set(forms.get(following, {})))
        position = (
            ("medial" if joins_after else "final") if joins_before else ("initial" if joins_after else "isolated")
        )
        out.append(letter_forms.get(position, letter))
        joins_before, n = joins_after, n + step
    return "".join(out)


_Forms = Mapping[str, str]


@cache
def _forms() -> tuple[Mapping[str, _Forms], Mapping[str, _Forms]]:
    """(forms of each letter, forms of lam with each alef), from the decompositions of the Unicode database."""
    letters: dict[str, dict[str, str]] = {}
    with_lam: dict[str, dict[str, str]] = {}
    for code in _FORMS_B:
        kind, *parts = unicodedata.decomposition(chr(code)).split()
        base = [chr(int(part, 16)) for part in parts]
        place = with_lam if len(base) == 2 and base[0] == _LAM else letters
        if len(base) == 1 or place is with_lam:
            place.setdefault(base[-1], {})[kind.strip("<>")] = chr(code)
    return letters, with_lam
