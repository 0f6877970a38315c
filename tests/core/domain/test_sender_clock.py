"""Scanners that write UTC, or another zone's time, without saying so."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.instance import InstanceDigest, StoredInstance
from miqa_node.core.domain.senders import SenderClocks
from miqa_node.errors import SettingsError
from tests.runtime.store.making import NOW, digest, header, received

ENTRIES = ["CT ROOM*@10.1.0.0/16 UTC", "FAR@* America/New_York"]
SUMMER, WINTER = "2025-07-10T23:30", "2025-11-10T23:30"


@pytest.mark.parametrize(
    ("sender", "address", "at", "shown"),
    [
        ("CT ROOM 2", "10.1.2.3", WINTER, "2025-11-11T00:30"),
        ("CT ROOM 2", "::ffff:10.1.2.3", SUMMER, "2025-07-11T01:30"),
        ("CT ROOM 2", "10.2.2.3", WINTER, WINTER),  # the same title at another address is another sender
        ("MR", "10.1.2.3", WINTER, WINTER),
        ("FAR", "a folder", WINTER, "2025-11-11T05:30"),
    ],
)
def test_the_site_sees_the_exposure_on_its_own_clock(sender: str, address: str, at: str, shown: str) -> None:
    came = replace(received(digest(1)), calling_ae_title=sender, peer_address=address)
    made = SenderClocks.of(ENTRIES).complete(header(1, acquired_at=datetime.fromisoformat(at)), came)
    rules = AcquisitionRules(zone=ZoneInfo("Europe/Berlin"))
    instance = StoredInstance(InstanceDigest(came.digest), made, "key", NOW, sender)
    assert rules.describe(instance, "ID1").acquired_at == datetime.fromisoformat(shown)


def test_what_the_header_says_comes_first_and_no_time_needs_none() -> None:
    clocks, came = SenderClocks.of(["*@* UTC"]), received(digest(1))
    stated = header(1, acquired_at=datetime.fromisoformat(WINTER), utc_offset_s=-18000)
    assert clocks.complete(stated, came) is stated
    assert clocks.complete(header(1), came).utc_offset_s is None
    summer = datetime.fromisoformat(SUMMER)
    there = SenderClocks.of(["*@* Europe/Berlin"]).complete(header(1, acquired_at=summer), came)
    assert there.utc_offset_s == timedelta(hours=2).total_seconds()


@pytest.mark.parametrize("entry", ["CT1@10.0.0.5", "CT1 UTC", "CT1@nowhere UTC", "CT1@* Mars/Base", "CT1@* +0000", ""])
def test_a_wrong_entry_is_named_with_its_setting(entry: str) -> None:
    with pytest.raises(SettingsError, match=r"dicom\.time_zones"):
        SenderClocks.of([entry])
