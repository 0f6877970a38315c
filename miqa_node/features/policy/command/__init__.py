"""Commands of the policy."""
