"""Signing in, at the node or at the site's provider."""
