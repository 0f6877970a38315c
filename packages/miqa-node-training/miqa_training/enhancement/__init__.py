"""Measures the effect of enhancement on noise, fine structures, lesions and the node's own findings."""
