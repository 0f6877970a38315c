"""What a measurement of a header's elements says: how many are missing or cannot be right, and which by keyword."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.core.domain.assessment import Measurement
from miqa_node.core.language.phrase import Phrase, joined


def tags_measured(name: str, missing: Sequence[str], wrong: Sequence[str]) -> Measurement:
    """Their number; the place has the keywords, not the values, which tell of the patient.

    >>> one = tags_measured("pt_suv_tags_missing", ["Units"], ["PatientWeight"])
    >>> one.value, str(one.place)
    (2.0, 'the header lacks Units; cannot be right: PatientWeight')
    """
    parts = [Phrase("the header lacks {missing}", missing=", ".join(missing))] if missing else []
    parts += [Phrase("cannot be right: {elements}", elements=", ".join(wrong))] if wrong else []
    return Measurement(name, float(len(missing) + len(wrong)), "1", joined("; ", parts) if parts else "")
