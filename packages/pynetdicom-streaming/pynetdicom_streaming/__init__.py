"""Faster and quieter associations of pynetdicom, in both directions. README.md explains their use."""

from .exchange import Exchange, ExchangeError, ExchangeFault, prepare_socket
from .handler import TESTED_VERSION, SteadyHandler, is_available, request_handler
from .sleeping import keep_asleep
from .streaming import Begin, StoreAnswer, StoreTransfer

__all__ = [
    "TESTED_VERSION",
    "Begin",
    "Exchange",
    "ExchangeError",
    "ExchangeFault",
    "SteadyHandler",
    "StoreAnswer",
    "StoreTransfer",
    "is_available",
    "keep_asleep",
    "prepare_socket",
    "request_handler",
]
