"""Measurements that need no model, one module per kind of image."""
