"""The REST interface to retention."""
