"""Images of a pilot's report: flags that were right and wrong, and what was missed, for people who want to see them."""

from __future__ import annotations

import base64

from miqa_node.core.domain.study_protocol import Grade
from miqa_node.core.language.catalogue import say, spoken
from miqa_node.core.taxonomy.reasons import reason_words
from miqa_node.features.pilot.rows import images, pilots, sample
from miqa_node.features.pilot.rows.images import PilotImage
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.report.sheets import Sheet

MOST = 8
"""Of each kind, in the order of the draw."""


def examples_of(transaction: Transaction, name: str, language: str) -> list[Sheet]:
    """The images with their rooms and findings; none without readings. Text that was found in pixels is covered."""
    readers = pilots.find(transaction, name).readers[:1]
    first = {one.image_id: one.grade for one in sample.readings(transaction, name) if one.reader in readers}
    drawn = [one for one in images.select(transaction, name) if one.image_id in first]
    with spoken(language):
        note = say(
            "Text that was found in the pixels is covered. What was found is not all: look at each image before you "
            "show this page to anybody."
        )
        kinds = (
            (say("Flagged, and unusable to the reader"), True, Grade.UNUSABLE),
            (say("Flagged, and usable to the reader"), True, Grade.USABLE),
            (say("Not flagged, and unusable to the reader"), False, Grade.UNUSABLE),
        )
        return [
            Sheet(heading, (note,), photographs=[_shown(transaction, name, one) for one in members[:MOST]])
            for heading, is_flagged, grade in kinds
            if (members := _in_order(drawn, first, is_flagged=is_flagged, grade=grade))
        ]


def _in_order(drawn: list[PilotImage], first: dict[int, str], *, is_flagged: bool, grade: str) -> list[PilotImage]:
    mine = (one for one in drawn if bool(one.findings) is is_flagged and first[one.image_id] == grade)
    return sorted(mine, key=lambda one: one.drawn_order or 0)


def _shown(transaction: Transaction, name: str, one: PilotImage) -> tuple[str, str]:
    picture = base64.b64encode(sample.picture(transaction, name, one.image_id) or b"").decode()
    words = ", ".join(reason_words(finding) for finding in one.findings)
    return f"data:image/jpeg;base64,{picture}", " · ".join(filter(None, (one.room, one.body_part, words)))
