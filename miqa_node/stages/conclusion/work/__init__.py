"""Background work of conclusion."""
