"""A person's choice of notices by e-mail."""
