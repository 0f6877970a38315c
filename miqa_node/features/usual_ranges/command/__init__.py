"""Commands of usual ranges."""
