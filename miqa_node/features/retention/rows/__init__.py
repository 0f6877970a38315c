"""The rows of retention in the database."""
