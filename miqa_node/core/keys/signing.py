"""Signed documents: JSON with an Ed25519 signature (RFC 8032) that others can check with the node's public key.

The key is created at its first use, in a file that only the node's own account can read.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from miqa_node.core.files.whole_file import write_once
from miqa_node.core.keys.canonical import canonical
from miqa_node.errors import SettingsError, SignatureError

ALGORITHM = "Ed25519"
KEY_FILE = "signing.key"
"""File name of the key in the data directory."""


class Signer:
    """Signs with one private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode(
            "ascii"
        )
        """The 32 bytes of the public key, in base64."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """The signer with the key of a PEM file (PKCS #8), which is created if it does not exist.

        Raises
        ------
        SettingsError
            The file cannot be created or read, or contains another kind of key.
        """
        try:
            if not path.exists():
                pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                write_once(path, pem)
            key = load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise SettingsError(f"{path} cannot be used as signing key: {reason}.") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise SettingsError(f"{path} is not an Ed25519 key.")
        return cls(key)

    def sign(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The document with its signature; see :func:`verify`."""
        signature = base64.b64encode(self._key.sign(canonical(document))).decode("ascii")
        return {
            "document": dict(document),
            "algorithm": ALGORITHM,
            "public_key": self.public_key,
            "signature": signature,
        }


def verify(signed: Mapping[str, Any], public_key: str) -> dict[str, Any]:
    """The document, if it was signed with the key of ``public_key`` and has not changed since.

    The public key inside the signed document proves nothing, so it is not used.

    Raises
    ------
    SignatureError
        It is not a signed document, has been changed, or was signed with another key.
    """
    try:
        document = dict(signed["document"])
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signed["signature"], validate=True), canonical(document))
    except InvalidSignature as error:
        raise SignatureError("The document was changed, or signed with another key.") from error
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise SignatureError("This is not a signed document, or the public key is not one.") from error
    return document


def read_signed(path: Path) -> Mapping[str, Any]:
    """A signed document from its file; not yet verified.

    Raises
    ------
    SignatureError
        The file cannot be read or contains no JSON object.
    """
    try:
        signed = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SignatureError(f"{path.name} cannot be read as JSON.") from error
    if not isinstance(signed, dict):
        raise SignatureError(f"{path.name} is not a signed document.")
    return signed
