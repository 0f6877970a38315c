"""The REST interface to accounts."""
