"""Moderate faults of CT and MR series, made apart from the simulators that limits were chosen with.

``MAKERS`` of each module names the fault as :mod:`miqa_node.core.domain.moderate_fault` does, and the ways to make it.
"""
