"""Shows a newcomer the whole way of an image on real parts: a modality, the node, and a PACS that takes the results.

``python -m miqa_node.demo`` is what ``make run`` and ``make demo`` call.
"""
