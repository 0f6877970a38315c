"""The stream that tells open pages to reload."""
