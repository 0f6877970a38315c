"""Reads YAML files that others may have written: plain values only, quickly, and with limited nesting."""

from __future__ import annotations

from typing import Any

import yaml

PLAIN_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser, which PyYAML's wheels contain, needs a tenth of the time of the one in Python."""
MAX_DEPTH = 50


def read_yaml(data: bytes) -> Any:
    """The value of a YAML document.

    Raises
    ------
    yaml.YAMLError
        It is not YAML, or more than MAX_DEPTH collections are nested: PyYAML builds them by recursion, and with
        libyaml's parser a deep recursion ends the process.
    ValueError
        A date in it does not exist.
    """
    depth = 0
    for event in yaml.parse(data, Loader=PLAIN_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise yaml.YAMLError(f"more than {MAX_DEPTH} lists and mappings are nested")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return yaml.load(data, Loader=PLAIN_LOADER)  # noqa: S506 - PLAIN_LOADER makes plain values only
