"""What is done with a table beside its use: every column of text or JSON says what erasing a patient does with it.

``info=EMPTIED`` on a column, and ``info=about(…)`` on its table, which names the columns by which its rows belong to a
patient. A table may also say when retention deletes a row (``forgotten``), and which objects of the store are its rows'
(``objects_in``), for backups; each is added with ``|``. So a table that is added is erased, retained and backed up,
whatever feature it is of, and a test finds a column without a mark. UIDs and digests need none: they stay, as the proof
and the archive name objects by them.
"""

from __future__ import annotations

from typing import Any

ERASE, ABOUT, ONLY_OWN = "erase", "about", "only_own"
FORGET, OBJECTS, REFERRED_ONLY, MONTH = "forget", "objects", "referred_only", "month"
KEEP = "keep: "
Info = dict[Any, Any]

EMPTIED: Info = {ERASE: "empty"}
DELETED: Info = {ERASE: "delete"}
"""The row goes, so all its texts have this mark."""
RANDOM: Info = {ERASE: "random"}
"""One random text in all rows of the patient, which still count as those of one person."""


HEADER: Info = {ERASE: "header"}
"""A stored header: its keys stay, and what :mod:`miqa_node.core.taxonomy.header_words` says."""
JUDGED: Info = {ERASE: "judged"}
"""Measurements, findings and reasons stay; a header in them goes as :data:`HEADER`, and what sentences cite of it."""
HEADER_WORD: Info = {ERASE: "word"}
"""A value of the header: it stays if it is a word of a fixed list, or a pseudonym."""


def kept(why: str) -> Info:
    """The text stays, for a reason."""
    return {ERASE: KEEP + why}


def about(*columns: str, only_own: bool = False) -> Info:
    """Of a table: the columns by which its rows belong to a patient; one of them suffices.

    Each is a key of ``ErasedPatient.keys`` (features/retention/rows/erasing.py), or refers to a table that says that
    of itself. With ``only_own`` a study counts only if it has no images of others.
    """
    return {ABOUT: columns, ONLY_OWN: only_own}


REFERRED: Info = {REFERRED_ONLY: True}
"""Of a table: an erasure deletes its rows, too, to which no row of another table refers any more."""


def forgotten(at: str, condition: str) -> Info:
    """Of a table: its rows that meet an SQL condition go ``retention.events_days`` after the time of column ``at``."""
    return {FORGET: (at, condition)}


def objects_in(folder: str) -> Info:
    """Of a table: its rows have objects in this folder at the top of the store, which backups bring with them.

    It is none of the folders of images (``KINDS`` of runtime/store/disk.py): no row of an image owns what lies there.
    """
    return {OBJECTS: folder}


def monthly(column: str) -> Info:
    """Of a table: a row, with its objects, tells of all patients of a month ("2026-10"), which the column names.

    It goes if an erasure takes a word of a header out of what was counted in that month.
    """
    return {MONTH: column}


UIDS = kept("names objects, as the proof and the archive do")
CODE = kept("a word of a fixed list, or a number")
STAFF = kept("who works or worked here: what was done stays attributable")
DEVICE = kept("names a device, a protocol, a room or a peer")
SITE = kept("the site's own words, about no patient")
VERSION = kept("names a model, a policy or a version")
SECRET = kept("a hash or a key, of no patient")
SUMMED = kept("of all patients together; an erasure removes the rows that a word of the header names")
