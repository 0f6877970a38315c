"""Background work of units."""
