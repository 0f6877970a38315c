"""Pages that the program makes, a measure of its tests, a comparison of results; no part of the node or its wheel."""
