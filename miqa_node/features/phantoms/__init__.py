"""Series of phantoms, which are not judged as patients are."""
