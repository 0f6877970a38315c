"""Trains the landmark network: anatomical points of frontal chest radiographs and what they say about positioning."""
