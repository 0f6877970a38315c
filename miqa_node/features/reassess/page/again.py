"""What pages and REST have images judged again with."""

from __future__ import annotations

from miqa_node.errors import ConflictError
from miqa_node.features.reassess.reassessment import Reassessment
from miqa_node.interfaces.web.services import WebServices


def reassessment_of(services: WebServices) -> Reassessment:
    """That of the node; ConflictError without one, which has the queue."""
    if services.node is None:
        raise ConflictError("This process cannot have images judged again.")
    return Reassessment(services.database, services.objects, services.node.queue, services.node.obstacle)
