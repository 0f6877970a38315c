"""``doctor`` says that pages and health cannot have one port."""

from __future__ import annotations

from functools import partial

import pytest

from miqa_node.core.settings import load_settings
from miqa_node.features.operations.command.health_checks import outcome_of
from miqa_node.features.operations.command.port_checks import check_health_port, check_proxies
from tests.conftest import free_port


@pytest.mark.parametrize("is_same", [True, False])
def test_equal_ports_fail(is_same: bool) -> None:
    port, other = free_port(), free_port()
    web = {"port": port, "health_port": port if is_same else other, "host": "127.0.0.1"}
    outcome = outcome_of("health port", partial(check_health_port, load_settings(web=web)))
    assert outcome.ok is not is_same
    assert not is_same or (f"both {port}" in outcome.detail and "web.health_port" in outcome.mend)


@pytest.mark.parametrize(("public_url", "words"), [("", "none is believed"), ("https://miqa.example", "believed of")])
def test_whose_word_is_taken_for_where_requests_come_from(public_url: str, words: str) -> None:
    outcome = outcome_of("proxies", partial(check_proxies, load_settings(web={"public_url": public_url})))
    assert outcome.ok
    assert outcome.detail.startswith(words)
    assert "127.0.0.0/8" in outcome.detail
