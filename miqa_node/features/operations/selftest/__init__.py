"""Tests an installed node from its port to the PACS: ``miqa-node selftest``."""
