"""The rows of worklist in the database."""
