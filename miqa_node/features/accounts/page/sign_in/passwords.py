"""Passwords of accounts: only their Argon2id hash is kept (RFC 9106)."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from miqa_node.errors import AccessError

MAX_CHARACTERS = 256

_hasher = PasswordHasher()
_NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$AYGAe6YnkTKrMllzXf4Ang$mkvgyZ7nMe7Q00332g2ZPyHNz1WACZhegxl7fGmeaDY"
"""The hash of any password, since nobody has it; making one takes longer than most modules take to load."""


def hash_password(password: str) -> str:
    """The stored hash of a password."""
    return _hasher.hash(password)


def matches(password_hash: str, password: str) -> bool:
    """Whether the password is right; takes the same time for an account without a password or an unknown one."""
    try:
        return _hasher.verify(password_hash or _NOBODYS, password) and bool(password_hash)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with weaker parameters than the current ones."""
    return _hasher.check_needs_rehash(password_hash)


def check_new(password: str, name: str, min_characters: int) -> None:
    """Raise AccessError unless the password is acceptable; any long password is (NIST SP 800-63B)."""
    if not min_characters <= len(password) <= MAX_CHARACTERS:
        raise AccessError(
            "A password has {min_characters} to {max_characters} characters.",
            min_characters=min_characters,
            max_characters=MAX_CHARACTERS,
        )
    if name in password.lower() or len(set(password)) < 5:
        raise AccessError("That password is too easy to guess: leave your name out and use more different characters.")
