"""Measures images and series; no model is needed."""
