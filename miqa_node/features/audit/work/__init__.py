"""Background work of audit."""
