"""Reader studies: the forms of their readers."""
