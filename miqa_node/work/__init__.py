"""Durable work: runs the pipeline's steps as jobs that survive a crash."""
