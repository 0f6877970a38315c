"""First stage: receives objects over the network and passes them to the pipeline."""
