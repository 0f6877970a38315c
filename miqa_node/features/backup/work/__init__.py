"""Backups of a running node, and the way back."""

from miqa_node.features.backup.work.making import BackupSummary, back_up
from miqa_node.features.backup.work.restoring import check_backup, lacking, restore

__all__ = ["BackupSummary", "back_up", "check_backup", "lacking", "restore"]
