"""Receives objects, and keeps them before it answers."""
