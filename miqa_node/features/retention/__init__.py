"""What the node keeps, and what it removes or erases."""
