"""The rows of conclusion in the database."""
