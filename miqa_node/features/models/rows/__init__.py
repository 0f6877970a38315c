"""The rows of models in the database."""
