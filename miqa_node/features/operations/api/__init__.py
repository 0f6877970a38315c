"""The REST interface to operations."""
