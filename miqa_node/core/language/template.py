"""Finds the texts of HTML templates and puts those of another language in their place, before Jinja compiles them.

Templates are plain English without marks. A message is a run of text and ``{{ expressions }}`` between tags and
statements; short inline elements stay in it. An expression becomes a placeholder with the last name in it, so that a
translation can move it: ``as of {{ parts.time(report.at) }}`` is the message ``as of {at}``. Texts within statements
and expressions are written ``_("…")``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_HTML = re.compile(r"<!--.*?-->|<(script|style|kbd)\b[^>]*>.*?</\1>|<[!/]?[a-zA-Z][^>]*>", re.DOTALL)
_INLINE = re.compile(r"</?(?:strong|b|em|small|code)>")
_SPOKEN = re.compile(
    r'((?<=\s)(?:alt|title|placeholder|aria-label|data-name|data-prior-name|data-good-name)=")([^"]*)(")'
)
"""Attributes that people read or hear."""
_FIRST_EXPRESSION, _FIRST_STATEMENT = (
    0xE000,
    0xF0000,
)  # private use: what stands for a piece of Jinja while HTML is split
_EXPRESSION = re.compile("[\ue000-\uf8ff]")
_STATEMENT = re.compile("([\U000f0000-\U000ffffd])")
_ANY = re.compile("[\ue000-\uf8ff\U000f0000-\U000ffffd]")
_NAME = re.compile(r"[A-Za-z_]\w*")
_NOT_NAMES = frozenset(
    {
        "format",
        "length",
        "if",
        "else",
        "and",
        "or",
        "not",
        "in",
        "is",
        "none",
        "join",
        "parts",
        "loop",
        "_",
        "numerals",
        "ngettext",
    }
)


class TemplateTexts:
    """One template, split once: ``messages`` lists its texts, ``translated`` puts others in."""

    def __init__(self, source: str) -> None:
        self._pieces: dict[str, str] = {}
        self._split = _JINJA.sub(self._mark, source)

    def messages(self) -> tuple[str, ...]:
        """Every text that people read, in its order, each once."""
        order: dict[str, None] = {}

        def listed(message: str) -> str:
            order.setdefault(message)
            return message

        self.translated(listed)
        return tuple(order)

    def translated(self, say: Callable[[str], str]) -> str:
        """The template with each text as ``say`` gives it."""
        parts: list[str] = []
        run: list[str] = []
        for text, is_tag in _tokens(self._split):
            if is_tag and not _INLINE.fullmatch(text):
                parts += [self._run("".join(run), say), self._tag(text, say)]
                run = []
            else:
                run.append(text)
        parts.append(self._run("".join(run), say))
        return _ANY.sub(lambda match: self._pieces[match[0]], "".join(parts))

    def _mark(self, match: re.Match[str]) -> str:
        first = _FIRST_EXPRESSION if match[0].startswith("{{") else _FIRST_STATEMENT
        mark = chr(first + len(self._pieces))
        self._pieces[mark] = match[0]
        return mark

    def _tag(self, tag: str, say: Callable[[str], str]) -> str:
        return _SPOKEN.sub(lambda match: match[1] + self._run(match[2], say) + match[3], tag)

    def _run(self, text: str, say: Callable[[str], str]) -> str:
        return "".join(part if _STATEMENT.fullmatch(part) else self._text(part, say) for part in _STATEMENT.split(text))

    def _text(self, text: str, say: Callable[[str], str]) -> str:
        outside = re.sub(r"<(\w+)>.*?</\1>", "", text, flags=re.DOTALL)
        if _INLINE.search(text) and (not _is_spoken(outside) or not _is_balanced(text)):
            return "".join(
                part if _INLINE.fullmatch(part) else self._text(part, say)
                for part in re.split(f"({_INLINE.pattern})", text)
            )
        if not _is_spoken(text):
            return text
        before, core, after = re.fullmatch(r"(\s*)(.*?)(\s*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
        names: dict[str, str] = {}
        message = _EXPRESSION.sub(lambda match: "{" + self._name(match[0], names) + "}", re.sub(r"\s+", " ", core))
        rendering: str = re.sub(r"\{(\w+)\}", lambda match: names.get(match[1], match[0]), say(message))
        return f"{before}{rendering}{after}"

    def _name(self, mark: str, names: dict[str, str]) -> str:
        expression = re.sub(r"\"[^\"]*\"", "", self._pieces[mark][2:-2])
        for part in (expression.split("|")[0], expression):
            variables = [name for name in _NAME.findall(part) if name not in _NOT_NAMES]
            if variables:
                break
        else:
            variables = ["value"]
        name: str = variables[-1].lower()
        if name in names:
            name = f"{name}{sum(one.rstrip('0123456789') == name for one in names) + 1}"
        names[name] = mark
        return name


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    at = 0
    for match in _HTML.finditer(text):
        yield text[at : match.start()], False
        yield match[0], True
        at = match.end()
    yield text[at:], False


def _is_spoken(text: str) -> bool:
    """Whether a person would read words in it: two letters in a row outside of code, placeholders and entities."""
    bare = re.sub(r"<code>.*?</code>|<[^>]*>|&\w+;", "", text, flags=re.DOTALL)
    return re.search(r"[A-Za-z]{2}", bare) is not None


def _is_balanced(text: str) -> bool:
    return len(re.findall(r"<\w+>", text)) == len(re.findall(r"</\w+>", text))
