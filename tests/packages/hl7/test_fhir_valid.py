"""Bundles of fifty results: valid to libraries of others, and on a server of others there once.

R5 and R4 by fhir.resources, R4 also by two validators from npm. HL7's own validator was not run. The server is
Medplum's router with its repository in memory, R4 only; for R5 there is the stand-in.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fhir.resources.bundle import Bundle as R5Bundle
from fhir.resources.R4B.bundle import Bundle as R4Bundle

from miqa_hl7.bundle import bundle_of
from miqa_hl7.fhir import KIND
from miqa_hl7.statement import Statement
from miqa_node.core.settings import DeliverSettings
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from tests.packages.hl7.fhir_making import config, different
from tests.packages.hl7.fhir_npm import faults, medplum
from tests.packages.hl7.fhir_standin import standing_in

pytestmark = pytest.mark.more
COUNT = 50
KINDS = ("Device", "ImagingSelection", "Observation", "DiagnosticReport")


def bundles(release: str) -> list[dict[str, Any]]:
    return [bundle_of(one, release, {"NORTH": "https://north.example"}, all_numbers=True) for one in different(COUNT)]


@pytest.mark.parametrize(("release", "model"), [("R5", R5Bundle), ("R4", R4Bundle)])
def test_fifty_bundles_are_valid(release: str, model: Any) -> None:
    for made in bundles(release):
        assert len(model.model_validate(made).entry) == len(made["entry"])
        wrong = json.loads(json.dumps(made).replace('"derivedFrom"', '"derivedfrom"'))
        with pytest.raises(ValueError, match="derivedfrom"):
            model.model_validate(wrong)


def test_fifty_bundles_of_r4_are_valid_to_two_validators_of_npm() -> None:
    made = bundles("R4")
    assert faults(made) == []
    made[0]["entry"][1]["resource"]["status"] = "done"
    made[1]["entry"][1]["resource"]["device"] = "x"
    assert len({fault.split()[0] for fault in faults(made[:2])}) > 1, "each of them finds faults"


@pytest.mark.timeout(900)  # the server looks at all that it has for each entry: four minutes for fifty
@pytest.mark.parametrize("count", [5, pytest.param(COUNT, marks=pytest.mark.long)])
def test_results_sent_twice_are_on_medplum_s_server_once(
    count: int, deliver_settings: Callable[..., DeliverSettings]
) -> None:
    with medplum() as url:
        settings = deliver_settings(dimse_timeout_s=60.0)
        stored = sent(url, different(count), settings, "R4")
        assert stored["DiagnosticReport"] == count
        assert sent(url, different(count), settings, "R4") == stored
        reposted = [httpx2.post(url, json=one, timeout=60.0).json() for one in bundles("R4")[:2]]
        statuses = {entry["response"]["status"] for answer in reposted for entry in answer["entry"]}
        assert statuses == {"200"}, "what the bundles alone say suffices, too"
        amended = [replace(one, made_at=one.made_at + timedelta(hours=1), result_id=f"X{one.result_id[1:]}",
                           status="corrected") for one in different(3)]  # fmt: skip
        assert sent(url, amended, settings, "R4") == stored, "updated in their place"
        assert total(url, "DiagnosticReport?status=corrected") == 3


def test_results_sent_twice_are_on_a_stand_in_of_r5_once(deliver_settings: Callable[..., DeliverSettings]) -> None:
    with standing_in() as server:
        for _time in range(2):
            sent("", different(COUNT), deliver_settings(), "R5", server.url)
            assert len(server.of("DiagnosticReport")) == COUNT
            assert {one["meta"]["versionId"] for one in server.stored.values()} == {"1"}
        for made in server.stored.values():
            R5Bundle.model_validate({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": made}]})


def sent(
    url: str, statements: list[Statement], settings: DeliverSettings, release: str, standin: str = ""
) -> dict[str, int]:
    """Send them; returns what the server then has of each kind."""
    destination: Any = KIND.connect(config(standin or url, release=release, numbers="all"), DeliveryContext(settings))
    for one in statements:
        destination.send_statement(one)
    destination.close()
    return counted(url) if url else {}


def counted(url: str) -> dict[str, int]:
    return {kind: total(url, f"{kind}?") for kind in KINDS}


def total(url: str, search: str) -> int:
    return int(httpx2.get(f"{url}/{search}&_count=1000&_total=accurate", timeout=60.0).json().get("total", 0))
