"""Commands of reassess."""
