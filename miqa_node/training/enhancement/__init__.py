"""Measures what enhancement does: to noise, to fine structures, to lesions, and to the node's own findings."""
