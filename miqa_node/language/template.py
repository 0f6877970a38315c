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
        seen: dict[str, None] = {}

        def listed(message: str) -> str:
            seen.setdefault(message)
            return message

        self.translated(listed)
        return tuple(seen)

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
        return _ANY.sub(lambda found: self._pieces[found[0]], "".join(parts))

    def _mark(self, found: re.Match[str]) -> str:
        first = _FIRST_EXPRESSION if found[0].startswith("{{") else _FIRST_STATEMENT
        mark = chr(first + len(self._pieces))
        self._pieces[mark] = found[0]
        return mark

    def _tag(self, tag: str, say: Callable[[str], str]) -> str:
        return _SPOKEN.sub(lambda found: found[1] + self._run(found[2], say) + found[3], tag)

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
        message = _EXPRESSION.sub(lambda found: "{" + self._name(found[0], names) + "}", re.sub(r"\s+", " ", core))
        said: str = re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], found[0]), say(message))
        return f"{before}{said}{after}"

    def _name(self, mark: str, names: dict[str, str]) -> str:
        expression = re.sub(r"\"[^\"]*\"", "", self._pieces[mark][2:-2])
        for part in (expression.split("|")[0], expression):
            found = [name for name in _NAME.findall(part) if name not in _NOT_NAMES]
            if found:
                break
        else:
            found = ["value"]
        name: str = found[-1].lower()
        if name in names:
            name = f"{name}{sum(known.rstrip('0123456789') == name for known in names) + 1}"
        names[name] = mark
        return name


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    at = 0
    for found in _HTML.finditer(text):
        yield text[at : found.start()], False
        yield found[0], True
        at = found.end()
    yield text[at:], False


def _is_spoken(text: str) -> bool:
    """Whether a person would read words in it: two letters in a row outside of code, placeholders and entities."""
    bare = re.sub(r"<code>.*?</code>|<[^>]*>|&\w+;", "", text, flags=re.DOTALL)
    return re.search(r"[A-Za-z]{2}", bare) is not None


def _is_balanced(text: str) -> bool:
    return len(re.findall(r"<\w+>", text)) == len(re.findall(r"</\w+>", text))
