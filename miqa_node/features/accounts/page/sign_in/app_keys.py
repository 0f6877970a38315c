"""Encrypts the keys of authenticator apps before they are stored: whoever has only the database has no codes.

The secret is that of ``access.second_factor_key``, else of a file in the data directory. Without the setting keys on
PostgreSQL stay as they are, since several machines share them and no file.
"""

from __future__ import annotations

import base64
import hashlib
from secrets import token_bytes

import structlog
from cryptography.fernet import Fernet, InvalidToken

from miqa_node.core.keys.secret_files import open_key
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.people import second_factors
from miqa_node.runtime.people.second_factors import KEY_FILE, SecondFactor
from miqa_node.runtime.store.database import Transaction

KEY_BYTES = 20
"""As long as the hash (RFC 4226 4, R6)."""
_ENCRYPTED = "gAAAA"
"""How what Fernet makes begins; keys in base32 have capital letters."""

log = structlog.get_logger(__name__)


def new_key(services: WebServices) -> str:
    """A random key as it is stored."""
    return _stored(services, base64.b32encode(token_bytes(KEY_BYTES)).decode())


def key_of(transaction: Transaction, services: WebServices, name: str, factor: SecondFactor) -> str:
    """The key in base32, empty if it was encrypted with another secret; a plain one of old is encrypted now."""
    if not factor.key.startswith(_ENCRYPTED):
        if (stored := _stored(services, factor.key)) != factor.key:
            second_factors.keep_key(transaction, name, stored)
        return factor.key
    box = _box(services)
    try:
        return box.decrypt(factor.key).decode() if box else ""
    except InvalidToken:
        log.error("the key of an authenticator app was encrypted with another secret", account=name)
        return ""


def _stored(services: WebServices, key: str) -> str:
    box = _box(services)
    return box.encrypt(key.encode()).decode() if box else key


def _box(services: WebServices) -> Fernet | None:
    settings = services.settings
    text = settings.access.second_factor_key.get_secret_value()
    if not text and not services.database.is_sqlite:
        return None
    secret = open_key(settings.node.data_dir / KEY_FILE, text)
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"keys of authenticator apps " + secret).digest()))
