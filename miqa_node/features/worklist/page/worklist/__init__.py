"""The list of flagged studies."""
