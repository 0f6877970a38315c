"""Limits of soft findings for each room of a site, and the silent first days of its body parts."""

COMMANDS = {"silence": "command:SILENCE", "tune": "command:TUNE"}
PAGES = {"limits_api": "api:PAGE", "tuning": "page.router:PAGE"}
