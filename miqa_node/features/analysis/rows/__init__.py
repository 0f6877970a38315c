"""The rows of analysis in the database."""
