"""What pages and REST fetch removed originals with."""

from __future__ import annotations

from collections.abc import Callable

from miqa_node.core.domain.retention import Retrieval
from miqa_node.errors import ConflictError
from miqa_node.features.retention.work.archives import ArchiveRetrieval, Archives
from miqa_node.interfaces.web.services import WebServices


def fetch_of(services: WebServices) -> Callable[[str], Retrieval]:
    """Fetches originals by UID or digest from the site's archives; ConflictError without a node, which has them."""
    if services.node is None:
        raise ConflictError("This process cannot fetch images from archives.")
    archives = Archives(services.node.destinations.current, services.settings)
    return ArchiveRetrieval(services.database, services.objects, archives, services.settings).fetch
