"""Writes the pages of the documentation that are made from the program; no part of the node or its wheel."""
