"""One uploaded image."""
