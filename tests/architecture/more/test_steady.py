"""No test decides by a clock: it waits for an event, with a long deadline, and fails early where something must stay.

``tests/waiting.py`` alone sleeps. What a test measures by a clock is held against no limit of less than a minute,
unless the limit is what the software promises.
"""

from __future__ import annotations

import ast
import re

from tests.architecture.test_steady import TESTS, files, short_deadlines


def test_what_must_happen_has_a_minute_at_least() -> None:
    hits = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in files()
        if re.search(r"\bwait|\.result\(", text := path.read_text("utf-8"))
        for line in short_deadlines(ast.parse(text))
    ]
    assert hits == [], "LIMIT_S of tests/waiting.py is long"
