"""Everything that makes models: a distribution of its own, miqa-node-training, that run-time code never imports."""
