"""Imported only by the fork server, which thereby loads the models before it forks."""

from miqa_node.isolation.template import load_announced

load_announced()
