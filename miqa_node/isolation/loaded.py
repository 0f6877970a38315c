"""Imported by the fork server alone, which thereby loads the models before it forks."""

from miqa_node.isolation.template import load_announced

load_announced()
