"""Training of models, simulators of defects, and de-identification: the distribution miqa-node-training.

The running node imports none of it.
"""
