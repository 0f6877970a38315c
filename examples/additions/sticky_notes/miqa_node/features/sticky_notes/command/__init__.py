"""Commands of sticky notes."""
