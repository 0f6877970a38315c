"""Pages of the documentation that the program makes, and a measure of its tests; no part of the node or its wheel."""
