"""Model training: a separate distribution, miqa-node-training, that run-time code never imports."""
