"""What a line of text looks like: a name, a date, a number, or one of the markings that radiographs have.

Markings are sides, projections, positions, parts of the body, technique, scales and makers: words of ``words.txt``, and
numbers with a unit or after a label such as W, kV or FOV.
"""

from __future__ import annotations

import re
import unicodedata
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from miqa_node.core.domain.pixel_text import TextKind

_WORDS = Path(__file__).with_name("words.txt")
POSITIONS = "Positions"
"""Heading of the words that are stamped, written and misread most."""
_LETTERS = re.compile(r"[^\W\d_]+")
_WORD = re.compile(r"[^\W_]+")
_ONE_WORD = re.compile(r"[^\s\d^,]+")
_MONTH = r"(?:jan|feb|mar|mär|mae|apr|avr|abr|may|mai|jun|jui|jul|aug|aou|ago|sep|oct|okt|nov|dec|dez|dic)[a-zéû]*"
_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<!\d)\d{1,2}\s*[./\-]\s*\d{1,2}\s*[./\-]\s*(?:\d{4}|\d{2})(?!\d)",
        r"(?<!\d)(?:19|20)\d{2}\s*[./\-]\s*\d{1,2}\s*[./\-]\s*\d{1,2}(?!\d)",
        r"(?<!\d)\d{1,2}\s*[./\-]\s*(?:19|20)\d{2}(?!\d)",
        r"(?<!\d)(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)",
        rf"(?<!\d)\d{{1,2}}[\s./\-,]*{_MONTH}[\s./\-,']*(?:\d{{4}}|\d{{2}})(?!\d)",
        rf"{_MONTH}[\s./\-,]*\d{{1,2}}[\s./\-,]+\d{{4}}(?!\d)",
        r"(?<!\d)(?:[01]?\d|2[0-3])\s*:\s*[0-5]\d(?:\s*[:.]\s*[0-5]\d)?(?!\d)",
    )
)
_AS_DIGITS = str.maketrans("oilsbz", "011582")
"""Letters that a recogniser reads in the place of digits."""
_AS_LETTERS = str.maketrans("01582", "olsbz")
_UNIT = (
    r"(?:k?vp?|m?as?|[mcdµu]?gy(?:[·.*]?cm2?)?|m?sv|[mcdkµu]?m(?:/s)?|[mk]?hz|d[bm]|px|hu|ms(?:ec)?|s(?:ec)?|min|ml|cc|bpm|fps|kg|lbs?|"
    r"in|deg|[kmg]b|m?bq(?:/ml)?|[%°x×\"'])"
)
_DIGITS = r"\d{1,4}(?!\d)"
"""Of what is labelled or measured; more are somebody's number, whatever letters stand in front of it or behind it."""
_MEASURED = re.compile(
    rf"(?<![\w.])[-+±]?(?:{_DIGITS}(?:[.,]\d{{1,5}})?\s*|\d{{5,6}}\s*(?=[a-zµ/]{{2}})){_UNIT}(?![a-z])"
)
_LABEL = (
    r"(?:ww?|wl|l|wc|c|z|x|y|kvp?|mas?|fov|dfov|sfov|tr|te|ti|fa|b|thk|zoom|mag|im|ima|se|ser|sl|frame|fr|gain|dyn|mi|ti[sbc]?|"
    r"ei|eit|di|s|exi|lgm|rex|srr|prf|wf|dap|dlp|ctdi(?:vol)?|adu|hu|sd|mean|max|min|av|area|psv|edv|ri|pi|hr|sp|loc|pos|tab|kernel)"
)
_LABELLED = re.compile(rf"(?<![a-z\d]){_LABEL}\s*[:=.]?\s*[-+±]?{_DIGITS}(?:[.,]\d{{1,5}}(?!\d))?")
_CHAIN = re.compile(rf"(?:(?:{_LABEL}|[td]){_DIGITS})+|(?:{_DIGITS}{_UNIT})+(?:{_DIGITS})?")
"""Several of these without a space, as tr500te20 and 512x512x1, and vertebrae: l4l5s1."""
_MEASURES = re.compile(rf"^(?:{_DIGITS}(?:[mc]m|[mk]?hz|d[bm]|ms|kvp?|mas?|fps))+")
"""In front of something else, with which a recogniser read them as one word: 3cm3cmM12L."""
_DECIMAL = re.compile(r"(?<![\d.,])[-+±]?\d{1,4}[.,]\d{1,6}(?![\d.,])")
_SIZE = re.compile(r"(?<!\d)\d{2,4}\s*[x×*]\s*\d{2,4}(?!\d)")
_OF_SEVERAL = re.compile(r"(?<!\d)\d{1,3}\s*/\s*\d{1,4}(?!\d)|(?<!\d)\d{1,4}\s*/\s*\d{1,3}(?!\d)")
_SURNAME_FIRST = re.compile(r"((?=\w*[^\W\d_])[^\W1-9_]{2,})\s*[,;^]\s*([^\W\d_][^\W_]*)")
"""NG, K and LI^X: a comma or a caret after a word makes a name of letters that are too few for one; 0 is read for O."""
_NUMBER = re.compile(r"\d{4,}|\d{3,}-\d{2,}|\d{2,}-\d{3,}|(?:\d[\-./]?){5,}\d")
_RUN = re.compile(r"[^\W\d_]+|\d+")
LEAST_RUNS, LEAST_CODE, LEAST_CODE_DIGITS = 4, 6, 3
"""A word of so many runs of letters and of digits in turn, characters and digits is somebody's number: A1B2C3."""
LEAST_LETTERS = 3
LEAST_LETTERS_ALONE = 4
LEAST_LETTERS_OF_TWO = 2
"""A name has a word of so many, of so many if it is the only one, for who took the image leaves up to three letters, or
two words of so many."""
_VOWEL = re.compile(r"[aeiouy]|[^\x00-\x7f]")
"""Without one, Latin letters are the initials of who took the image, or stand for something technical."""
LEAST_IDEOGRAPHS = 2
LEAST_SIMILAR_LETTERS = 6
SIMILARITY = 0.85
"""Of a word that is a misread position; other markings resemble names: Wright and right, Ventura and ventral."""


def kind_of(text: str) -> TextKind | None:
    """The kind of a line that may identify somebody; None for markings, scales and what is too short to tell.

    >>> [kind_of(one) for one in ("DOE^JOHN", "DOB 03.11.1956", "ID 4711023")]
    [<TextKind.NAME: 'name'>, <TextKind.DATE: 'date'>, <TextKind.NUMBER: 'number'>]
    >>> [kind_of(one) for one in ("R", "PORTABLE", "AP SUPINE", "120 kV 2.5 mAs", "W: 2048 L: 1024", "10 cm")]
    [None, None, None, None, None, None]
    """
    line = unicodedata.normalize("NFKC", text).casefold()
    line = " ".join(_mended(word) for word in line.split())
    if _names(line):
        return TextKind.NAME
    if any(date.search(line) for date in _DATES):
        return TextKind.DATE
    return TextKind.NUMBER if _numbers(line) else None


def is_one_word(text: str) -> bool:
    """Whether a line is one word without digits, whatever signs the recogniser saw in it; DOE^JOHN are two."""
    return _ONE_WORD.fullmatch(text.strip()) is not None


def _mended(word: str) -> str:
    """A word of digits with letters that look like digits, or the other way round, as what it mostly is."""
    digits = sum(one.isdigit() for one in word)
    letters = sum(one.isalpha() for one in word)
    if digits >= 2 and digits > letters and letters <= 2:
        return word if _MEASURED.fullmatch(word) or _LABELLED.fullmatch(word) else word.translate(_AS_DIGITS)
    is_misread = letters >= 4 and 0 < digits <= letters // 4 and word[-1].isalpha()
    return word.translate(_AS_LETTERS) if is_misread else word


def _names(line: str) -> bool:
    """Whether words of the line are none that stand on images anyway."""
    pairs = ((one[1].translate(_AS_LETTERS), one[2]) for one in _SURNAME_FIRST.finditer(line))
    if any(not (_is_marking(first) and _is_marking(second)) for first, second in pairs):
        return True
    words = _LETTERS.findall(_MEASURED.sub(" ", line))
    unknown = [word for word in words if not _is_marking(word)]
    if sum(_may_be_name(word, LEAST_LETTERS_OF_TWO) for word in unknown) > 1:
        return True
    least = LEAST_LETTERS if len(words) > 1 else LEAST_LETTERS_ALONE
    ideographs = sum(_is_ideograph(letter) for word in unknown for letter in word)
    return ideographs >= LEAST_IDEOGRAPHS or any(_may_be_name(word, least) for word in unknown)


def _may_be_name(word: str, least_letters: int) -> bool:
    return len(word) >= least_letters and not _is_ideograph(word[0]) and _VOWEL.search(word) is not None


def _numbers(line: str) -> bool:
    bare = line
    for pattern in (_SIZE, _OF_SEVERAL, _MEASURED, _LABELLED, _DECIMAL):
        bare = pattern.sub(" ", bare)
    if any(_is_varied(one.group()) for one in _NUMBER.finditer(bare)):
        return True
    return any(_is_code(word) for word in _WORD.findall(line))


def _is_code(word: str) -> bool:
    """Whether letters and digits alternate in it as in no marking."""
    word = _MEASURES.sub("", word)
    if len(word) < LEAST_CODE or _CHAIN.fullmatch(word):
        return False
    return len(_RUN.findall(word)) >= LEAST_RUNS and sum(one.isdigit() for one in word) >= LEAST_CODE_DIGITS


def _is_varied(number: str) -> bool:
    """Whether it has several digits: of a chain or a row of clips the recogniser makes one, repeated."""
    return len({one for one in number if one.isdigit()}) > 1


def _is_marking(word: str) -> bool:
    """Whether it is a known word, several in one, or a position with a letter misread."""
    if word in markings() or _divides(word):
        return True
    return len(word) >= LEAST_SIMILAR_LETTERS and bool(get_close_matches(word, _sections()[POSITIONS], 1, SIMILARITY))


def _divides(word: str) -> bool:
    """Whether it is made of known words of three letters or more, which were read without the space between them."""
    words, ends = markings(), {0}
    for end in range(LEAST_LETTERS, len(word) + 1):
        if any(end - start >= LEAST_LETTERS and word[start:end] in words for start in ends):
            ends.add(end)
    return len(word) in ends


def _is_ideograph(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) == "W"


@cache
def markings() -> frozenset[str]:
    """The words of ``words.txt``."""
    return frozenset(word for words in _sections().values() for word in words)


@cache
def _sections() -> dict[str, tuple[str, ...]]:
    """Those words by the headings of the file."""
    sections = _WORDS.read_text("utf-8").split("\n# ")[1:]
    return {heading: tuple(words.split()) for heading, _, words in (one.partition("\n") for one in sections)}
