"""From a verdict to its effects, in one transaction."""
