"""Builds the body that a receiver such as a chat system expects, from the site's JSON template.

``{data.study.verdict}`` within a text of the template stands for that value of the event (docs/how-to/webhooks.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from miqa_node.errors import DeliveryError

_PLACE = re.compile(r"\{([a-z_]+(?:\.[a-z_]+)*)\}")


def event_body(template: str, event: bytes, name: str) -> bytes:
    """The body for one event; missing values are empty texts.

    Raises
    ------
    DeliveryError
        The file of destination ``name`` is not JSON.
    """
    try:
        layout = json.loads(template)
    except ValueError as error:
        raise DeliveryError("{name}: body_file is not JSON.", name=name) from error
    return json.dumps(_filled(layout, json.loads(event)), ensure_ascii=False).encode()


def _filled(part: Any, event: Mapping[str, Any]) -> Any:
    if isinstance(part, dict):
        return {key: _filled(value, event) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, event) for value in part]
    return _PLACE.sub(lambda place: _value(event, place[1]), part) if isinstance(part, str) else part


def _value(event: Any, path: str) -> str:
    """The value at a path as text.

    >>> _value({"data": {"study": {"verdict": "REJECT"}}}, "data.study.verdict"), _value({}, "data.study")
    ('REJECT', '')
    """
    for key in path.split("."):
        event = event.get(key) if isinstance(event, dict) else None
    return "" if event is None else event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
