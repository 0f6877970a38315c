"""The page of all images."""
