"""Associations are spread over the processes of a node, and what one of them receives is kept by the node's own."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.stages.receive.further import further_node, store
from tests.stages.receive.wire import RawPeer
from tests.waiting import wait_until


def test_the_first_association_stays_here_and_the_others_are_spread_evenly(tmp_path: Path) -> None:
    with further_node(tmp_path, 2) as node, ExitStack() as ends:
        peers = [ends.enter_context(RawPeer(node.port)) for _ in range(4)]
        assert node.shares() == [1, 2, 1]
        assert [store(peer) for peer in peers] == [0x0000] * 4
        assert len(node.received) == 4
        assert all(one.header is not None for one in node.received)
        assert node.scp._seats.count() == 4
        ends.close()
        wait_until(lambda: node.scp._seats.count() == 0)
        assert node.shares() == [0, 0, 0]
