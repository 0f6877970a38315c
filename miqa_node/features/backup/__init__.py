"""Backup, restore, and the comparison of rows with files."""
