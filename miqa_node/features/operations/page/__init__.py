"""The operations page, and the banner of every page."""
