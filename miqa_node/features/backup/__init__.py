"""Backup, restore, and the comparison of rows with files."""

COMMANDS = {
    "backup": "command:BACKUP",
    "fsck": "command:FSCK",
    "restore": "command:RESTORE",
}
