"""Requests as the fragments that are sent (PS3.7 6.3, PS3.8 E.2). pynetdicom makes two data sets of each command."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

C_STORE, C_ECHO, N_EVENT_REPORT, N_ACTION = 0x0001, 0x0030, 0x0100, 0x0130
LOW_PRIORITY = 0x0002

_ELEMENT = struct.Struct("<HHI")
_PDV_HEADER_BYTES = 6
_COMMAND, _LAST = 0b01, 0b10


class CommandTag(IntEnum):
    """Elements of a command set, all of group 0000."""

    AFFECTED_CLASS = 0x0002
    REQUESTED_CLASS = 0x0003
    COMMAND = 0x0100
    MESSAGE_ID = 0x0110
    PRIORITY = 0x0700
    DATA_SET = 0x0800
    AFFECTED_INSTANCE = 0x1000
    REQUESTED_INSTANCE = 0x1001
    EVENT_TYPE = 0x1002
    ACTION_TYPE = 0x1008


Command = dict[CommandTag, int | str]
"""UIDs and numbers."""


def fragments(command: Command, data_set: bytes, pdu_bytes: int) -> Iterator[bytes]:
    """A command and its data set, if it has one, in parts for PDUs of limited length."""
    whole: Command = {**command, CommandTag.DATA_SET: 0x0001 if data_set else 0x0101}
    most = pdu_bytes - _PDV_HEADER_BYTES
    for kind, data in ((_COMMAND, _encoded(whole)), (0, data_set)):
        for begin in range(0, len(data), most):
            end = begin + most
            yield bytes([kind | (_LAST if end >= len(data) else 0)]) + data[begin:end]


def _encoded(command: Command) -> bytes:
    """In Implicit VR Little Endian, with the group length."""
    values = {element: _value(value) for element, value in sorted(command.items())}
    body = b"".join(_ELEMENT.pack(0, element, len(value)) + value for element, value in values.items())
    return _ELEMENT.pack(0, 0, 4) + struct.pack("<I", len(body)) + body


def _value(value: int | str) -> bytes:
    if isinstance(value, int):
        return struct.pack("<H", value)
    return value.encode("ascii") + b"\0" * (len(value) % 2)
