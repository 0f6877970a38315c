"""The rows of labels in the database."""
