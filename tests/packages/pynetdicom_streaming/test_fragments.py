from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miqa_node.libraries.pynetdicom_streaming.fragments import (
    MAX_COMMAND_BYTES,
    MAX_OTHER_PDU_BYTES,
    Fragments,
    ProtocolError,
    encode_command,
    p_data,
    parse_command,
)
from tests.stages.receive.wire import p_data as p_data_tf
from tests.stages.receive.wire import pdv

COMMAND = encode_command({0x0100: b"\x01\x00", 0x0800: b"\x00\x00"})


class Recorder:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []
        self._data = b""

    def command(self, context_id: int, command: bytes) -> bool:
        self.events.append(("command", context_id, command))
        return parse_command(command)[0x0800] != b"\x01\x01"

    def data(self, context_id: int, parts: list[memoryview], *, last: bool) -> None:
        self._data += b"".join(parts)
        if last:
            self.events.append(("data", context_id, self._data))
            self._data = b""

    def other_pdu(self, pdu: bytes) -> None:
        self.events.append(("pdu", pdu))


def run(stream: bytes, cuts: list[int] | None = None) -> list[tuple[object, ...]]:
    """Feed the stream cut at these places, keeping what is not used up as a reader does."""
    sink = Recorder()
    fragments = Fragments(sink)
    pending = b""
    edges = [0, *sorted({cut % (len(stream) + 1) for cut in cuts or []}), len(stream)]
    for start, stop in itertools.pairwise(edges):
        pending += stream[start:stop]
        while True:
            used = fragments.feed(memoryview(pending))
            pending = pending[used:]
            if not used or not pending:
                break
    assert pending == b""
    assert fragments.between_messages
    return sink.events


STREAM = (
    p_data_tf(pdv(1, COMMAND[:5]), pdv(3, COMMAND[5:]))
    + p_data_tf(pdv(0, b"abc"), pdv(0, b""), pdv(0, b"d" * 300))
    + p_data_tf(pdv(2, b""))
    + p_data_tf(pdv(3, COMMAND), pdv(2, b"second"), pdv(3, COMMAND), pdv(0, b"th"), pdv(2, b"ird"))
    + b"\x05\x00\x00\x00\x00\x04\0\0\0\0"
)
EVENTS = [
    ("command", 1, COMMAND),
    ("data", 1, b"abc" + b"d" * 300),
    ("command", 1, COMMAND),
    ("data", 1, b"second"),
    ("command", 1, COMMAND),
    ("data", 1, b"third"),
    ("pdu", b"\x05\x00\x00\x00\x00\x04\0\0\0\0"),
]


def test_whole_and_byte_by_byte() -> None:
    assert run(STREAM) == EVENTS
    assert run(STREAM, list(range(len(STREAM)))) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_however_the_stream_is_cut(cuts: list[int]) -> None:
    assert run(STREAM, cuts) == EVENTS


@given(st.binary(max_size=400), st.binary(max_size=40))
def test_noise_is_refused_or_waited_for_but_never_breaks(noise: bytes, more: bytes) -> None:
    fragments = Fragments(Recorder())
    try:
        used = fragments.feed(memoryview(noise))
        assert 0 <= used <= len(noise)
        fragments.feed(memoryview(noise[used:] + more))
    except (ProtocolError, KeyError):
        pass  # KeyError: the recorder's own look at a command set without a type


@pytest.mark.parametrize(
    "stream",
    [
        b"\x08\x00\x00\x00\x00\x04\0\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x05\x00" + struct.pack(">I", MAX_OTHER_PDU_BYTES + 1),
        b"\x05\x00\x00\x00\x00\x00",
        b"\x04\x00\x00\x00\x00\x05",
        p_data_tf(struct.pack(">IBB", 1, 1, 3)),
        p_data_tf(struct.pack(">IBB", 0xFFFFFFFF, 1, 3)),
        p_data_tf(struct.pack(">IBB", 20, 1, 3) + b"short"),
        p_data_tf(pdv(2, b"data before any command")),
        p_data_tf(pdv(3, COMMAND), pdv(3, COMMAND)),
        p_data_tf(pdv(3, COMMAND), pdv(2, b"x", context_id=3)),
        p_data_tf(pdv(1, COMMAND[:4]), pdv(3, COMMAND[4:], context_id=3)),
        p_data_tf(pdv(1, COMMAND[:4]), pdv(2, b"x")),
    ],
)
def test_what_breaks_the_protocol_is_an_error(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        run(stream)


def test_an_endless_command_set_is_an_error() -> None:
    fragments = Fragments(Recorder())
    piece = memoryview(p_data_tf(pdv(1, b"\0" * 10_000)))
    with pytest.raises(ProtocolError, match="oversized command"):
        for _ in range(MAX_COMMAND_BYTES // 10_000 + 1):
            fragments.feed(piece)


@pytest.mark.parametrize(
    "command", [b"\0\0\0\1", b"\x08\0\0\1\0\0\0\0", b"\0\0\0\1\xff\xff\xff\xff", b"\0\0\0\1\4\0\0\0ab"]
)
def test_broken_command_sets(command: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_command(command)


def test_a_command_survives_its_encoding() -> None:
    elements = {0x0100: b"\x01\x80", 0x0900: b"\x00\xa7"}
    encoded = encode_command(elements)
    parsed = parse_command(encoded)
    assert parsed == {0x0000: struct.pack("<I", len(encoded) - 12), **elements}
    assert run(p_data(5, encode_command({0x0800: b"\1\1"})))[0][1] == 5
