"""The desk for decisions, of the services that pages have."""

from __future__ import annotations

from miqa_node.features.worklist.decision import DecisionDesk
from miqa_node.interfaces.web.services import WebServices


def desk_of(services: WebServices) -> DecisionDesk:
    """Made once per application."""
    return DecisionDesk(services.database, services.objects, services.settings, services.archives)
