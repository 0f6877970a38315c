"""Background work of retention."""
