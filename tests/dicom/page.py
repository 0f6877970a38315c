"""Writes docs/reference/decoding.md from the reference table: ``python -m tests.dicom.page``."""

from __future__ import annotations

from collections import Counter

from pydicom.uid import UID

from tests.dicom.reference import JUDGED, ROOT, Case, load_cases

PAGE = ROOT / "docs" / "reference" / "decoding.md"
HEAD = """\
# Decoding, case by case

<!-- Made by `python -m tests.dicom.page` from tests/dicom/reference.csv; do not edit. -->

The reference table of the tests has {total} real files: {pydicom} of pydicom's own tests, {data} of the package
pydicom-data and {shared} of other projects. {decoded} of them decode, and the tests compare size, type and mean of
the stored values, and for lossless syntaxes every stored and displayed pixel (SHA-256). The other {failed} are
answered with a reason. Every file that has a data set with UIDs is also sent to a running storage SCP and goes the
whole way, and all of them go through one run of `miqa-node assess`; nothing hangs, and no file ends a process that it
should not. `assess`, which needs no UIDs, judges {judged} of them; of the other {other} that decode it says that they
are no images of the patient (segmentations, dose).

*Confirmed* counts the images whose stored pixels another, independent decoder gives exactly alike (GDCM, Pillow,
pylibjpeg or a lossless JPEG decoder that shares no code with the node's). A file with several frames or in
colour is compared in the first frame's luminance, which not every other decoder offers, so an image may be right
without being confirmed.

## What decodes

| transfer syntax | files | decoder | confirmed |
|---|---:|---|---:|
"""
MIDDLE = """
## What does not, and why

The reason is what people read on the worklist and in the report; the object is kept all the same.

| files | reason |
|---:|---|
"""


def page() -> str:
    """The page's text."""
    cases = load_cases()
    decoded = [case for case in cases if not case.error]
    sources = Counter(case.source for case in cases)
    head = HEAD.format(
        total=len(cases),
        pydicom=sources["pydicom"],
        data=sources["pydicom-data"],
        shared=sources["shared"],
        decoded=len(decoded),
        failed=len(cases) - len(decoded),
        judged=sum(case.assess == JUDGED for case in decoded),
        other=sum(case.assess != JUDGED for case in decoded),
    )
    syntaxes = sorted({case.transfer_syntax for case in decoded}, key=lambda uid: [int(n) for n in uid.split(".") if n])
    rows = [_row(uid, [case for case in decoded if case.transfer_syntax == uid]) for uid in syntaxes]
    reasons = Counter(case.reason for case in cases if case.error)
    why = [f"| {count} | {reason.strip()}… |" for reason, count in sorted(reasons.items(), key=lambda r: (-r[1], r[0]))]
    return head + "\n".join(rows) + "\n" + MIDDLE + "\n".join(why) + "\n"


def _row(uid: str, cases: list[Case]) -> str:
    decoders = ", ".join(f"`{name}`" for name in sorted({case.decoder for case in cases}))
    confirmed = sum(bool(case.agrees_with) for case in cases)
    name = UID(uid).name if uid else "none declared"
    return f"| {name} | {len(cases)} | {decoders} | {confirmed} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
