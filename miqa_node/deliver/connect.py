"""Makes the destination that an entry of the destinations file describes."""

from __future__ import annotations

from collections.abc import Callable

from miqa_node.deliver.cstore import CStoreDestination
from miqa_node.deliver.destinations import DestinationConfig
from miqa_node.deliver.folder import FolderDestination
from miqa_node.deliver.stow import StowDestination
from miqa_node.deliver.webhook import WebhookDestination
from miqa_node.domain.delivery import CommitmentReport
from miqa_node.domain.ports import Destination
from miqa_node.settings import DeliverSettings


def connect(
    config: DestinationConfig,
    settings: DeliverSettings,
    calling_ae_title: str,
    on_report: Callable[[CommitmentReport], None] | None = None,
) -> Destination:
    """A destination of the entry's kind; ``on_report`` gets what it reports of storage commitment while it is open."""
    if config.kind == "stow":
        return StowDestination(config, settings)
    if config.kind == "folder":
        return FolderDestination(config)
    if config.kind == "webhook":
        return WebhookDestination(config, settings)
    return CStoreDestination(config, settings, calling_ae_title, on_report)
