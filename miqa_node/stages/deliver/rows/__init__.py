"""The rows of deliver in the database."""
