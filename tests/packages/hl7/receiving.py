"""A receiver of HL7 v2 messages as an interface engine has one, and a reader of them that shares no code with the node.

``python -m tests.packages.hl7.receiving PORT FILE`` runs one that appends what it took to a file, for who kills it.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BEGIN, END = b"\x0b", b"\x1c\r"
ESCAPES = {"\\F\\": "|", "\\S\\": "^", "\\T\\": "&", "\\R\\": "~", "\\E\\": "\\"}


def plain(text: str) -> str:
    """A component without its escapes."""
    parts, out = text.split("\\"), []
    for number, part in enumerate(parts):
        out.append(part if number % 2 == 0 else ESCAPES[f"\\{part}\\"])
    return "".join(out)


def fields(message: bytes, segment: str) -> list[list[str]]:
    """The segments of a name, as lists of fields whose numbers are those of HL7."""
    lines = [line.split("|") for line in message.decode().split("\r")]
    return [["MSH", "|", *line[1:]] if segment == "MSH" else line for line in lines if line[0] == segment]


def control_id(message: bytes) -> str:
    return fields(message, "MSH")[0][10]


def answer(message: bytes, code: str = "AA", text: str = "") -> bytes:
    return (
        f"MSH|^~\\&|RIS||||20260101||ACK^R01^ACK|1|P|2.5.1\rMSA|{code}|{control_id(message)}|{text}\r"
    ).encode()  # fmt: skip


class Receiver:
    """``answers`` gives the bytes of the whole answer to a message; None closes the connection instead."""

    def __init__(self, port: int = 0, answers: Callable[[bytes], bytes | None] | None = None) -> None:
        self.taken: list[bytes] = []
        self.answers = answers or (lambda message: BEGIN + answer(message) + END)
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = self._server.getsockname()[1]
        self.stays = False
        """Whether the connection stays open after an answer without an end."""
        self.wrap: Callable[[socket.socket], socket.socket] = lambda plain: plain
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _peer = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain_connection: socket.socket) -> None:
        with suppress(OSError), self.wrap(plain_connection) as connection:
            waiting = b""
            while True:
                while END not in waiting:
                    part = connection.recv(4096)
                    if not part:
                        return
                    waiting += part
                message, waiting = waiting.split(END, 1)
                message = message.removeprefix(BEGIN)
                self.taken.append(message)
                reply = self.answers(message)
                if reply is None:
                    return
                connection.sendall(reply)
                if END not in reply and not self.stays:
                    return


@contextmanager
def receiving(answers: Callable[[bytes], bytes | None] | None = None, port: int = 0) -> Iterator[Receiver]:
    receiver = Receiver(port, answers)
    try:
        yield receiver
    finally:
        receiver.close()


def main(port: int, file: Path) -> None:
    """Every third answer breaks off, and every seventh never comes."""
    count = 0

    def halved(message: bytes) -> bytes | None:
        nonlocal count
        count += 1
        with file.open("ab") as out:
            out.write(message + b"\n")
        whole = BEGIN + answer(message) + END
        return None if count % 7 == 0 else whole[: len(whole) // 2] if count % 3 == 0 else whole

    Receiver(port, halved)
    threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
