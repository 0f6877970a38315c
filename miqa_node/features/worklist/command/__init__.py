"""Commands of worklist."""
