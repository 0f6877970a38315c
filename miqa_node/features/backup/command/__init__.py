"""Commands of backup; their modules are imported only on use."""

from __future__ import annotations

from miqa_node.interfaces.cli.command import Command, Heading

BACKUP = Command(
    "Back the node up while it works: database, objects, keys and a manifest with digests.",
    "miqa_node.features.backup.command.backup:backup",
    Heading.MAINTAIN,
    order=4,
)
RESTORE = Command(
    "Put a backup into an empty data directory, comparing each file with the manifest; start the node afterwards.",
    "miqa_node.features.backup.command.backup:restore",
    Heading.MAINTAIN,
    order=4,
)
FSCK = Command(
    "Compare rows with files, images with jobs, and deliveries with destinations; the node may be running.",
    "miqa_node.features.backup.command.fsck:fsck",
    Heading.MAINTAIN,
    order=4,
)
