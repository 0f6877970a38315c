"""The display in a room: what it says of the newest exposure, and that it knows nothing of patients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import cast

from miqa_node.features.worklist.page.updates import LiveUpdates
from miqa_node.features.worklist.rows import worklist
from tests.features.analysis.page.test_rooms import ago
from tests.web.staging import Stage


def test_changes_are_told_to_every_page_whoever_made_them(stage: Stage) -> None:
    web = stage.services.settings.web.model_copy(update={"live_interval_s": 0.02, "live_heartbeat_s": 0.3})
    services = replace(stage.services, settings=stage.services.settings.model_copy(update={"web": web}))

    async def until_still(stream: AsyncIterator[str]) -> int:
        """How often a change was told before nothing happened for a while."""
        output = 0
        while "still" not in (message := await anext(stream)):
            output += "changed" in message
        return output

    async def listen() -> list[list[int]]:
        live = LiveUpdates(services.database, services.settings.web)
        streams = [live.messages(), live.messages()]
        heard = [[await until_still(stream)] for stream in streams]
        assert live.streams == 2
        for change in (lambda: stage.add(1), claim, lambda: None):
            change()
            for stream, output in zip(streams, heard, strict=True):
                output.append(await until_still(stream))
        for stream in streams:
            await cast("AsyncGenerator[str]", stream).aclose()
        assert live.streams == 0
        return heard

    def claim() -> None:
        with stage.services.database.begin() as transaction:
            worklist.claim(transaction, "1.2.3.1", "mara", ago(0))

    for arrivals in asyncio.run(listen()):
        assert all(arrivals[:3]), "one when the page opens, one for each change"
        assert arrivals[3] == 0, "and none when nothing changed"
