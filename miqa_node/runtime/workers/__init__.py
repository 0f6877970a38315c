"""Processes that work for the node, and the look at what lives."""
