"""Background work of worklist."""
