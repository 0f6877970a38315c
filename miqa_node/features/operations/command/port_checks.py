"""Checks of ``miqa-node doctor`` of this machine's ports, and what a node says that runs behind them."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import closing, suppress

from miqa_node.core.domain.network import authority
from miqa_node.core.settings import Settings
from miqa_node.features.operations.command.health_checks import FailedCheck

ANSWER_S = 5.0
MOST_BYTES = 1 << 16


def health_port(settings: Settings) -> int:
    """The port on which a node with these settings says how it is; 0 if the system chooses it."""
    return settings.web.health_port or (settings.web.port + 1 if settings.web.port else 0)


def check_port(host: str, port: int, setting: str) -> str:
    """Whether a node could listen there; FailedCheck if not, and nobody does."""
    family, place = socket.AF_INET6 if ":" in host else socket.AF_INET, authority(host, port)
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if _answers(host, port):
                return f"{place} is in use; this is fine if the node is running"
            mend = f"Choose another {setting}; ports below 1024 need a privilege."
            raise FailedCheck(f"{place} cannot be used: {error.strerror}", mend) from error
    return f"{place} is free"


def check_health_port(settings: Settings) -> str:
    """The same for health, which has a port of its own."""
    port = health_port(settings)
    if port and port == settings.web.port:
        mend = "Choose another web.health_port; without one it is that after web.port."
        raise FailedCheck(f"web.port and web.health_port are both {port}, and each needs a port of its own", mend)
    return check_port(settings.web.host, port, "web.health_port")


def check_proxies(settings: Settings) -> str:
    """Whose word is taken for where a request comes from."""
    named = ", ".join(map(str, settings.web.trusted_proxies)) or "none"
    if settings.web.public_url:
        return f"believed of where requests come from: {named}"
    return f"none is believed of where requests come from, as web.public_url is empty (web.trusted_proxies: {named})"


def ask_node(settings: Settings) -> str:
    """What the node says that runs here, which knows what it waits for; FailedCheck if it is not ready."""
    port = health_port(settings)
    answer = _readiness(_near(settings.web.host), port) if port else None
    if answer is None:
        return "none answers here"
    if reasons := [str(reason) for reason in answer]:
        raise FailedCheck(
            f"it runs, and is not ready: {' '.join(reasons)}", "docs/how-to/runbook.md says what to do about each."
        )
    return "it runs, and is ready"


def _readiness(host: str, port: int) -> list[object] | None:
    """Reasons why the node there is not ready; None if there is none, or something else."""
    with suppress(OSError, ValueError, http.client.HTTPException):
        with closing(http.client.HTTPConnection(host, port, timeout=ANSWER_S)) as connection:
            connection.request("GET", "/readyz")
            body = json.loads(connection.getresponse().read(MOST_BYTES))
        if isinstance(body, dict) and isinstance(reasons := body.get("reasons"), list):
            return reasons
    return None


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((_near(host), port), timeout=1.0):
            return True
    except OSError:
        return False


def _near(host: str) -> str:
    """An address that can be asked, for one that is only listened on."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - looked up, not bound
