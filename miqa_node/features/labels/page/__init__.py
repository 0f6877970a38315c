"""Second readings."""
