"""The rows of units in the database."""
