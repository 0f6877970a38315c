"""Says in words what is wrong with a value that a setting, an option, a form or a file cannot have.

The libraries that read values speak to programmers ("Input should be a valid tuple"). Here stands what was given, what
is allowed, and how it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

LONGEST = 64
"""Characters of a wrong value that are repeated."""

_LIST = 'is not a list; write it as ["a", "b"].'
_TABLE = "is not a table; write names with their values."
_TEXT = "is not a text; put it between quotation marks."
_DAY = "is not a day; write it as 2026-12-01."
_TIME = "is not a moment; write it as 2026-12-01T08:00:00+01:00."
_NUMBER, _WHOLE, _FLAG = "is not a number.", "is not a whole number.", "is neither true nor false."
_UNKNOWN = "{name} is not known here."
KNOWN = "{name} is not known here; known are {known}."
SENTENCES: Mapping[str, str] = {
    "missing": "A value is missing.",
    "missing_argument": "A value is missing.",
    "missing_keyword_only_argument": "A value is missing.",
    "extra_forbidden": _UNKNOWN,
    "unexpected_keyword_argument": _UNKNOWN,
    "no_such_attribute": _UNKNOWN,
    "json_invalid": "This is not JSON: {error}.",
    "too_short": "Too few values: {actual_length}; the least is {min_length}.",
    "too_long": "Too many values: {actual_length}; the most is {max_length}.",
    "string_too_short": "{value} is too short; the least is {min_length} characters.",
    "string_too_long": "{value} is too long; the most is {max_length} characters.",
    "string_pattern_mismatch": "{value} is not written as it must be: {pattern}",
    "enum": "{value} is not one of {expected}.",
    "literal_error": "{value} is not one of {expected}.",
    "union_tag_invalid": "{tag} is not one of {expected_tags}.",
    "union_tag_not_found": "{discriminator} is missing.",
    "greater_than": "{value} is too small; it must be above {gt}.",
    "greater_than_equal": "{value} is too small; the least is {ge}.",
    "less_than": "{value} is too large; it must be below {lt}.",
    "less_than_equal": "{value} is too large; the most is {le}.",
    "multiple_of": "{value} is not a multiple of {multiple_of}.",
    "finite_number": "{value} is not a finite number.",
    "int_parsing_size": "{value} has too many digits.",
    "none_required": "{value} is one too many: nothing may be given.",
    "timezone_aware": "{value} has no time zone; write it as 2026-12-01T08:00:00+01:00.",
    "timezone_naive": "{value} may not have a time zone; write it as 2026-12-01T08:00:00.",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), f"{{value}} {_WHOLE}"),
    **dict.fromkeys(("float_type", "float_parsing", "decimal_type", "decimal_parsing"), f"{{value}} {_NUMBER}"),
    **dict.fromkeys(("bool_type", "bool_parsing"), f"{{value}} {_FLAG}"),
    **dict.fromkeys(("string_type", "string_sub_type", "bytes_type", "url_type"), f"{{value}} {_TEXT}"),
    **dict.fromkeys(("string_unicode", "bytes_invalid_encoding"), "{value} is not UTF-8."),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type"), f"{{value}} {_LIST}"),
    **dict.fromkeys(
        ("dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type"), f"{{value}} {_TABLE}"
    ),
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"), f"{{value}} {_DAY}"
    ),
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid"),
        f"{{value}} {_TIME}",
    ),
    **dict.fromkeys(("time_type", "time_parsing"), "{value} is not a time; write it as 22:00."),
    **dict.fromkeys(("url_parsing", "url_scheme"), "{value} is not an address; write it as https://host.example/path."),
    "ip_any_address": "{value} is not an IP address, such as 10.0.0.5.",
    "ip_any_network": "{value} is not a network, such as 10.0.0.0/24.",
}
"""By pydantic's name of the error."""
NOT_ALLOWED = "{value} is not allowed here."
THE_VALUE = "The value"


def in_english(message: str, **values: object) -> str:
    """A sentence with its values, as programs get it."""
    return message.format(**values) if values else message


def what_is_wrong(
    detail: Mapping[str, Any],
    *,
    shown: bool = True,
    forms: Mapping[str, str] = MappingProxyType({}),
    say: Callable[..., str] = in_english,
    choices: Iterable[str] = (),
) -> str:
    r"""A sentence about one error of pydantic's; without the value if it may not be ``shown``, since it may be secret.

    ``forms`` are patterns in words, ``choices`` the names of which another one was given, and ``say`` puts a sentence
    and its values into the language of the page.

    >>> what_is_wrong({"type": "tuple_type", "input": "CT1", "msg": "Input should be a valid tuple"})
    '\'CT1\' is not a list; write it as ["a", "b"].'
    >>> what_is_wrong({"type": "less_than_equal", "input": 7, "ctx": {"le": 5.0}}, shown=False)
    'The value is too large; the most is 5.'
    """
    context = {name: _number(value) for name, value in detail.get("ctx", {}).items()}
    if detail["type"] in {"value_error", "assertion_error"}:  # the words of a check of our own
        return say(words) if (words := str(context.get("error", ""))) else say(NOT_ALLOWED, value=say(THE_VALUE))
    if form := forms.get(str(context.get("pattern"))):
        return say(form)
    sentence = SENTENCES.get(detail["type"], NOT_ALLOWED)
    if sentence is _UNKNOWN and (names := ", ".join(choices)):
        sentence, context["known"] = KNOWN, names
    context["name"] = str((detail.get("loc") or (THE_VALUE,))[-1])[:LONGEST]
    context["expected"] = str(context.get("expected", "")).replace(" or ", ", ")
    return say(sentence, **context | {"value": say(_given(detail, shown=shown))})


def where_and_what(details: Iterable[Mapping[str, Any]]) -> str:
    """All errors of a file, each with its place.

    >>> where_and_what([{"loc": ("classes", 0, "name"), "type": "missing", "input": {}}])
    'classes.0.name: A value is missing.'
    """
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'all'}: {what_is_wrong(one)}" for one in details)


def _given(detail: Mapping[str, Any], *, shown: bool) -> str:
    value = detail.get("input")
    if not shown or not isinstance(value, str | int | float):
        return THE_VALUE
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
