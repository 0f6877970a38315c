"""Previews, pixels and maps for the other pages."""
