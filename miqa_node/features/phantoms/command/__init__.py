"""Commands of phantoms."""
