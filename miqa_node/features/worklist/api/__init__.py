"""The REST interface to worklist."""
