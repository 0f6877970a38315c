"""Background work of operations."""
