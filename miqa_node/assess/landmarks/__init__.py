"""Anatomical points of frontal chest radiographs, and what they say about how the patient was positioned."""
