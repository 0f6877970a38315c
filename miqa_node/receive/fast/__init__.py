"""A fast C-STORE receiver for pynetdicom. README.md explains its use; it imports nothing else of this project."""

from .handler import TESTED_VERSION, is_available, request_handler
from .streaming import Begin, StoreAnswer, StoreTransfer

__all__ = [
    "TESTED_VERSION",
    "Begin",
    "StoreAnswer",
    "StoreTransfer",
    "is_available",
    "request_handler",
]
