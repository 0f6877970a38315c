"""Anatomical points of frontal chest radiographs, and what they show about the patient's position."""
