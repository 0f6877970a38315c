"""Pages of worklist."""
