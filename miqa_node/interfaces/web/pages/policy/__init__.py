"""The policy as rules, for people to read."""
