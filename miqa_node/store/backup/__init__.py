"""Backups of a running node, and the way back."""

from miqa_node.store.backup.making import BackupSummary, back_up
from miqa_node.store.backup.restoring import check_backup, lacking, restore

__all__ = ["BackupSummary", "back_up", "check_backup", "lacking", "restore"]
