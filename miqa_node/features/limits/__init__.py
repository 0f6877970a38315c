"""Limits of soft findings for each room of a site."""
