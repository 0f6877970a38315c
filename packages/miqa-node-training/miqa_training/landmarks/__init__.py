"""Trains the landmark network: anatomical points of frontal chest radiographs and positioning derived from them."""
