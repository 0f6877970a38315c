"""The saliency maps behind the verdict in force, for pages and programs."""

from __future__ import annotations

from miqa_node.domain.image import SaliencyMaps
from miqa_node.domain.instance import InstanceDigest
from miqa_node.store import instances
from miqa_node.store.artifacts import Artifacts
from miqa_node.web.services import WebServices


def newest_maps(services: WebServices, digest: str) -> SaliencyMaps:
    """Maps of an image; NotFoundError if none were kept."""
    with services.database.begin() as transaction:
        generation = instances.generations(transaction, [digest]).get(digest, 0)
    return Artifacts(services.objects).maps(InstanceDigest(digest), generation)
