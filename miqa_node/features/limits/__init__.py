"""Limits of soft findings for each room of a site, and the silent first days of its body parts."""

COMMANDS = {"tune": "command:TUNE", "silence": "command:SILENCE"}
PAGES = {"limits_api": "api:PAGE", "tuning": "page.router:PAGE"}
