"""Web pages for people and the REST interface for programs."""
