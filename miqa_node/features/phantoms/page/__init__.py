"""The page of the series of phantoms."""
