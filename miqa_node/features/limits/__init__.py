"""Limits of soft findings for each room of a site."""

COMMANDS = {"tune": "command:TUNE"}
PAGES = {"limits_api": "api:PAGE", "tuning": "page.router:PAGE"}
