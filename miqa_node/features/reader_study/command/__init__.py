"""Commands of reader study."""
