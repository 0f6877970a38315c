"""First stage: objects come in over the network and are handed to the pipeline."""
