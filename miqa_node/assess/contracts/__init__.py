"""How a quality package's graph is called: one file per contract, chosen by the card."""
