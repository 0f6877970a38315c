"""Answers of interface engines as they are: twice, late, of other versions, with other ends, and without a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from miqa_hl7.oru import KIND
from miqa_hl7.statement import dump_statement
from miqa_node.core.settings import DeliverSettings
from miqa_node.errors import DeliveryError, DeliveryRefusedError
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from tests.packages.hl7.making import config, statement
from tests.packages.hl7.receiving import BEGIN, END, Receiver, answer, control_id, receiving

Make = Callable[..., DeliverSettings]
COUNT = 4


def framed(message: bytes, code: str = "AA", text: str = "") -> bytes:
    return BEGIN + answer(message, code, text) + END


def of_another(message: bytes) -> bytes:
    return framed(message).replace(control_id(message).encode(), b"ANOTHER")


def with_ends(message: bytes, end: bytes) -> bytes:
    return framed(message).replace(b"\r", end).removesuffix(b"\x1c" + end) + END


TAKEN: dict[str, Callable[[bytes], bytes]] = {
    "plain": framed,
    "CA and AA": lambda message: framed(message, "CA") + framed(message, "AA"),
    "AA twice": lambda message: framed(message) * 2,
    "AA and a late error": lambda message: framed(message) + framed(message, "AE", "late"),
    "one to another message before": lambda message: of_another(message) + framed(message),
    "ten to other messages before": lambda message: of_another(message) * 10 + framed(message),
    "received, then AA (MLLP 2)": lambda message: BEGIN + b"\x06" + END + framed(message),
    "LF": lambda message: with_ends(message, b"\n"),
    "CRLF": lambda message: with_ends(message, b"\r\n"),
    "no last CR": lambda message: BEGIN + answer(message).rstrip(b"\r|") + END,
    "no begin": lambda message: answer(message) + END,
    "noise before the frame": lambda message: b"\r\n\x00" + framed(message),
    "line ends between frames": lambda message: b"\r\n" + framed(message) + b"\r\n",
    "a byte order mark": lambda message: BEGIN + "\ufeff".encode() + answer(message) + END,
    "2.3": lambda message: framed(message).replace(b"2.5.1", b"2.3"),
    "Latin-1": lambda message: BEGIN + answer(message, text="übernommen").decode().encode("latin-1") + END,
    "other delimiters": lambda message: framed(message).replace(b"|", b"#").replace(b"^~\\&", b"@~\\&"),
    "small letters": lambda message: framed(message, "aa"),
    "segments of its own before": lambda message: framed(message).replace(b"MSA|", b"SFT|x\rZXX|1|2\rMSA|"),
    "spaces": lambda message: framed(message).replace(b"MSA|AA|", b"MSA| AA | "),
}
NOT_TAKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "bare": (answer, "without the frame of MLLP"),
    "no CR behind FS": (lambda message: framed(message)[:-1], "without the frame of MLLP"),
    "no FS": (lambda message: BEGIN + answer(message), "broke off"),
    "STX and ETX": (lambda message: b"\x02" + answer(message) + b"\x03", "without the frame of MLLP"),
    "HTTP": (lambda _message: b"HTTP/1.1 400 Bad Request\r\n\r\n", "without the frame of MLLP"),
    "another": (of_another, "acknowledged another message"),
    "another, endlessly": (lambda message: of_another(message) * 200, "acknowledged another message"),
    "no acknowledgement": (lambda _message: BEGIN + b"thanks" + END, "no acknowledgement"),
    "without MSA": (lambda message: framed(message).replace(b"MSA", b"MSX"), "no acknowledgement"),
    "AE": (lambda message: framed(message, "AE", "busy"), "answered AE: busy"),
    "endless": (lambda _message: BEGIN + b"x" * 70_000, "endless"),
}


@contextmanager
def sending(answers: Callable[[bytes], bytes | None], make: Make) -> Iterator[tuple[Receiver, Any]]:
    with receiving(answers) as receiver:
        context = DeliveryContext(make(dimse_timeout_s=0.4))
        with closing(KIND.connect(config(receiver.port), context)) as destination:
            yield receiver, destination


def send(destination: Any, number: int = 1) -> None:
    one = statement(number)
    destination.send_event(one.result_id, dump_statement(one).encode())


@pytest.mark.parametrize("name", TAKEN)
def test_each_message_reaches_the_engine_once(name: str, deliver_settings: Make) -> None:
    with sending(TAKEN[name], deliver_settings) as (receiver, destination):
        for number in range(COUNT):
            send(destination, number)
        assert [control_id(one) for one in receiver.taken] == [statement(number).result_id for number in range(COUNT)]


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("name", NOT_TAKEN)
def test_what_is_no_yes_is_named_and_the_next_attempt_begins_anew(
    name: str, stays: bool, deliver_settings: Make
) -> None:
    wrong, words = NOT_TAKEN[name]

    def at_first(message: bytes) -> bytes:
        return wrong(message) if len(receiver.taken) < 2 else framed(message)

    with sending(at_first, deliver_settings) as (receiver, destination):
        receiver.stays = stays
        with pytest.raises(DeliveryError, match=words) as raised:
            send(destination)
        assert not isinstance(raised.value, DeliveryRefusedError)
        send(destination)
        assert len(receiver.taken) == 2


def test_a_no_to_an_earlier_message_refuses_no_later_one(deliver_settings: Make) -> None:
    with sending(lambda message: framed(message) + framed(message, "AR"), deliver_settings) as (receiver, destination):
        for number in range(COUNT):
            send(destination, number)
        assert len(receiver.taken) == COUNT


def test_silence_is_told_as_silence(deliver_settings: Make) -> None:
    with sending(lambda _message: b"", deliver_settings) as (receiver, destination):
        receiver.stays = True
        with pytest.raises(DeliveryError, match="did not answer in time"):
            send(destination)
