"""Commands that try a node or its destinations."""
