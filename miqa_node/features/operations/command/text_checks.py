"""What ``miqa-node doctor`` says of the search for text in pixels."""

from __future__ import annotations

from importlib.metadata import version

from miqa_node.core.settings import Settings
from miqa_node.plugins import addition
from miqa_node.stages.assess.text.extra import LIBRARY, can_read


def text_in_pixels(settings: Settings) -> str:
    """Which images are searched and by what, or how the recogniser is added."""
    sources = ", ".join(settings.text.sources)
    if not can_read():
        absent = f"without {LIBRARY} no pixels are searched for names, dates and numbers"
        return f"{absent}; this adds it: {addition('text')}"
    searched = f"searched in images of the kinds {sources}" if sources else "not searched: text.sources is empty"
    return f"{LIBRARY} {version(LIBRARY)}, {searched}"
