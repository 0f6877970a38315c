"""Words and classes that the pages of phantoms have in common."""

from __future__ import annotations

from miqa_node.core.language.catalogue import reworded
from miqa_node.features.phantoms.form import typed
from miqa_node.features.phantoms.history import LEVEL_WORDS, QualityLevel
from miqa_node.features.phantoms.kinds import kind_words
from miqa_node.features.phantoms.titles import title_of

_CLASSES = {
    QualityLevel.PASS: "accept",
    QualityLevel.NOT_MEASURED: "review",
    QualityLevel.WARN: "review",
    QualityLevel.FAIL: "reject",
    QualityLevel.UNJUDGED: "none",
}


def value_title(name: str) -> str:
    """The title of a value in the language of the page."""
    return reworded(title_of(name))


def kind_title(kind: str) -> str:
    """The name of a kind of phantom in the language of the page."""
    return reworded(kind_words(kind))


def level_words(level: QualityLevel) -> str:
    """What limits say."""
    return reworded(LEVEL_WORDS[level])


def level_class(level: QualityLevel) -> str:
    """Its colours: those of verdicts."""
    return _CLASSES[level]


FILTERS = {
    "value_title": value_title,
    "kind_title": kind_title,
    "level_words": level_words,
    "level_class": level_class,
    "typed": typed,
}
"""Functions for templates, by name."""
