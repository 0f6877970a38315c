"""Checks and stores preferences for e-mail notices, for the account page and the REST interface."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from miqa_node.core.domain.notice import NoticePreference
from miqa_node.core.language.catalogue import languages
from miqa_node.errors import InputError
from miqa_node.features.notices.rows import notices
from miqa_node.interfaces.web.services import WebServices

ADDRESS = r"^$|^[^\s@<>,;]+@[^\s@<>,;]+$"
TIME = r"^$|^([01][0-9]|2[0-3]):[0-5][0-9]$"
MAX_ROOMS = 100


def keep(services: WebServices, wish: NoticePreference) -> None:
    """Store a preference, each room once; InputError for an unknown language or half a span of quiet hours."""
    if wish.language and wish.language not in languages():
        raise InputError("The node does not know this language.")
    if bool(wish.quiet_from) != bool(wish.quiet_until):
        raise InputError("Quiet hours need a begin and an end.")
    rooms = tuple(dict.fromkeys(filter(None, wish.rooms)))
    with services.database.begin() as transaction:
        notices.save(transaction, replace(wish, rooms=rooms), datetime.now(UTC))
