"""Reject analysis and model watch."""
