"""The program miqa-node."""
