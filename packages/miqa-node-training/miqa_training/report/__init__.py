"""The evaluation report: every figure of the protocol of one package as one HTML page and one JSON file."""
