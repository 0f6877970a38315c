"""Imported only by the fork server, which thereby loads the models before it forks."""

from miqa_node.core import process

process.begin_loading()

from miqa_node.isolation.template import load_announced  # noqa: E402 - what is loaded is not garbage

load_announced()
process.end_loading()
