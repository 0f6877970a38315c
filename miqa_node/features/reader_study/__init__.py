"""Studies that compare readers with and without the node."""
