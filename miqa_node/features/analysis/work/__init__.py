"""Background work of analysis."""
