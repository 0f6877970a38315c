"""The page that fetches originals of a study from the archive."""
