"""Flagged studies, and what people decide about them."""
