"""Reads YAML files that others may have written: plain values only, quickly, and with limited nesting."""

from __future__ import annotations

import re
from typing import Any

import yaml

PLAIN_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser, which PyYAML's wheels contain, needs a tenth of the time of the one in Python."""
MAX_DEPTH = 50
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def read_yaml(data: bytes) -> Any:
    """The value of a YAML document.

    Raises
    ------
    yaml.YAMLError
        It is not YAML, a date in it does not exist, a text has control characters, which a terminal would obey, or more
        than MAX_DEPTH collections are nested: PyYAML builds them by recursion, and with libyaml's parser a deep
        recursion ends the process.
    """
    depth = 0
    for event in yaml.parse(data, Loader=PLAIN_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise yaml.YAMLError(f"more than {MAX_DEPTH} lists and mappings are nested")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent) and _CONTROL.search(event.value):
            raise yaml.YAMLError("a text has control characters")
    loader = PLAIN_LOADER(data)
    try:
        return loader.get_single_data()
    except ValueError as error:  # a date or a number that follows YAML's grammar and means nothing
        raise yaml.YAMLError(str(error)) from error
    finally:
        loader.dispose()
