""""""

from __future__ import annotations

import socket
import threading
from pathlib import Path

from tests.stages.deliver.making import MemoryOutbox, pacs
from tests.stages.deliver.test_lanes import FAILED, QUEUED, SENT, Make, running, to
from tests.waiting import LIMIT_S, delay, wait_until


def test_bad_destinations_block_nobody(tmp_path: Path, deliver_settings: Make) -> None:
    """Dead, silent, aborting, refusing and slow peers beside a good one, which is done at once."""
    outbox, may_answer = MemoryOutbox(), threading.Event()
    with (
        pacs() as good,
        pacs() as aborting,
        pacs() as refusing,
        pacs() as slow,
        socket.create_server(("127.0.0.1", 0)) as silent,
        socket.socket() as dead,
    ):
        dead.bind(("127.0.0.1", 0))
        aborting.answer = lambda event: event.assoc.abort() or 0
        refusing.answer = lambda event: 0xA900
        slow.answer = lambda event: 0 if may_answer.wait(LIMIT_S) else 0xC000
        configs = [
            to("dead", dead.getsockname()[1]),
            to("silent", silent.getsockname()[1]),
            to("aborting", aborting.port),
            to("refusing", refusing.port),
            to("slow", slow.port),
            to("good", good.port),
        ]
        for config in configs[:-1]:
            for _ in range(3):
                outbox.put(config.name)
        with running(tmp_path, outbox, deliver_settings(dimse_timeout_s=4.0), *configs) as lanes:
            delay(0.3)  # all the bad ones are busy being bad
            numbers = [outbox.put("good") for _ in range(20)]
            assert wait_until(lambda: all(outbox.row(n).state is SENT for n in numbers), 30)
            # The good one did not wait for its slow neighbour.
            assert SENT not in outbox.states()[12:15]
            may_answer.set()
            assert wait_until(lambda: outbox.states()[9:12] == [FAILED] * 3)
            assert wait_until(lambda: outbox.states()[12:15] == [SENT] * 3)
            assert outbox.states()[:9] == [QUEUED] * 9
            assert wait_until(lambda: "refused" in lanes.snapshot()["dead"].last_error)
            assert "0xA900" in outbox.row(10).last_error
