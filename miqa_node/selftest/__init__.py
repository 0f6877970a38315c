"""Shows that an installed node does what it should, from the port to the PACS: ``miqa-node selftest``."""
