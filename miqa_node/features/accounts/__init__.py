"""People and programs who sign in, and what they may do."""
