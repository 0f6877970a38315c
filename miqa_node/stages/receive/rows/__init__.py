"""The rows of receive in the database."""
