"""What is kept of accounts beside the accounts themselves."""
