"""The node's health, for the people who operate it."""
