"""Random secrets, shown once; the database stores only their SHA-256.

They have 256 random bits, so a fast hash is enough: unlike passwords, they cannot be guessed by trying.
"""

from __future__ import annotations

import hashlib
from secrets import token_urlsafe

SECRET_BYTES = 32


def new_secret() -> str:
    """A new secret, safe for cookies and URLs."""
    return token_urlsafe(SECRET_BYTES)


def sha256_of(secret: str) -> str:
    """The stored digest."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
