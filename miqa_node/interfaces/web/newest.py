"""The saliency maps behind the verdict in force, for pages and programs."""

from __future__ import annotations

from miqa_node.core.domain.image import SaliencyMaps
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.stages.units.rows import instances


def newest_maps(services: WebServices, digest: str) -> SaliencyMaps:
    """Maps of an image; NotFoundError if none were kept."""
    with services.database.begin() as transaction:
        generation = instances.generations(transaction, [digest]).get(digest, 0)
    return Artifacts(services.objects).maps(InstanceDigest(digest), generation)
