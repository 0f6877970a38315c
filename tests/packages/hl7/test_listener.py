"""An open listener, that of python-hl7, takes messages of a node and answers them: it shares no code with the node."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hl7
import pytest
from hl7.mllp import start_hl7_server
from hl7.mllp.streams import HL7StreamReader, HL7StreamWriter

from miqa_hl7.oru import KIND
from miqa_node.runtime.store.database import Database
from tests.packages.hl7.making import config, lanes, queue, statement, states, subject
from tests.packages.hl7.test_lanes import Make, quick
from tests.waiting import wait_until


class Listener:
    """``taken`` are messages as the library reads them."""

    def __init__(self) -> None:
        self.taken: list[hl7.Message] = []
        self.loop = asyncio.new_event_loop()
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(start_hl7_server(self._serve, "127.0.0.1", 0, encoding="utf-8"))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self.loop.run_forever()
        server.close()
        waiting = asyncio.all_tasks(self.loop)
        for task in waiting:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True))
        self.loop.close()

    async def _serve(self, reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        try:
            while not writer.is_closing():
                message = await reader.readmessage()
                self.taken.append(message)
                writer.writemessage(message.create_ack())
                await writer.drain()
        except asyncio.IncompleteReadError:  # the node has closed the connection
            pass
        finally:
            writer.close()
            await writer.wait_closed()

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


@pytest.mark.more
def test_it_reads_and_acknowledges_each_message(database: Database, tmp_path: Path, deliver_settings: Make) -> None:
    with listening() as listener:
        queue(database, statement(1, subject=subject(patient_name="Müller^Jörg")), statement(2))
        sending = lanes(database, tmp_path, quick(deliver_settings), config(listener.port), KIND)
        sending.start()
        wait_until(lambda: {state for state, _text in states(database).values()} == {"SENT"})
        sending.stop(3.0)
    assert {str(one.segment("MSH")[10]) for one in listener.taken} == set(states(database))
    assert str(listener.taken[0].segment("PID")[5]) == "Müller^Jörg"
    assert str(listener.taken[0].segment("OBR")[25]) == "P"
