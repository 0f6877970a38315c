"""The kinds of objects that the node makes, one file each, with its series, conditions and construction."""
