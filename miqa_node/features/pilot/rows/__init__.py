"""What is kept of pilots."""
