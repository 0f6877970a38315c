"""Backup, restore, and the comparison of rows with files."""

COMMANDS = {
    "backup": (
        "command.backup:backup | maintain 4 | Back the node up while it works: database, objects, keys and a "
        "manifest with digests."
    ),
    "fsck": (
        "command.fsck:fsck | maintain 4 | Compare rows with files, images with jobs, and deliveries with "
        "destinations; the node may be running."
    ),
    "restore": (
        "command.backup:restore | maintain 4 | Put a backup into an empty data directory, comparing each file "
        "with the manifest; start the node afterwards."
    ),
}
