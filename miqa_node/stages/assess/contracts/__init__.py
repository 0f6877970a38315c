"""Ways to call a quality package's graph: one file per contract, chosen by the card."""
