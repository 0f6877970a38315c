"""What brings images in: one file for each way in."""
