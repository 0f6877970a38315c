"""Pages and REST interface for people and programs."""
