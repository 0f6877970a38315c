"""What the page of a study says for the next exposure."""
