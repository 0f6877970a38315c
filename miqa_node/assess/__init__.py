"""Measures and judges a decoded image: measurements, model packages, saliency."""
