"""Demonstrates the processing of an image with real parts: a modality, the node, and a PACS that receives the results.

``python -m demo`` is what ``make run`` and ``make demo`` call.
"""
