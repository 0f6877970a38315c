"""Codes of authenticator apps: TOTP (RFC 6238) with six digits and 30 seconds, which every app knows."""

from __future__ import annotations

import base64
import hmac
from datetime import datetime

import cv2
import numpy as np
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

STEP_S = 30
DIGITS = 6
DRIFT = (0, -1, 1)
"""Accepted time steps before and after now, for the phone's clock error and typing time."""


def step_of(key: str, code: str, now: datetime) -> int:
    """The number of the time step of a code; 0 if no accepted step has this code."""
    plain = "".join(code.split())
    step = int(now.timestamp()) // STEP_S
    right = (step + drift for drift in DRIFT if hmac.compare_digest(code_at(key, step + drift), plain.encode()))
    return next(right, 0)


def code_at(key: str, step: int) -> bytes:
    """The code of a time step."""
    return _totp(key).generate(step * STEP_S)


def address(key: str, name: str, issuer: str) -> str:
    """The otpauth address that an app reads from the QR code."""
    return _totp(key).get_provisioning_uri(name, issuer)


def picture(text: str) -> tuple[int, str]:
    """A QR code (ISO/IEC 18004) as an SVG path of unit squares, and the side of the whole symbol."""
    modules = np.asarray(cv2.QRCodeEncoder.create().encode(text)) == 0
    squares = (f"M{x} {y}h1v1h-1z" for y, x in np.argwhere(modules))
    return len(modules), "".join(squares)


def _totp(key: str) -> TOTP:
    # Apps support only SHA-1; its broken collision resistance does not matter for HMAC.
    return TOTP(base64.b32decode(key), DIGITS, SHA1(), STEP_S)  # noqa: S303
