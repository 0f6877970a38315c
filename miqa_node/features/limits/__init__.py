"""Limits of soft findings for each room of a site, and the silent first days of its body parts."""

CARDS = {"silence": "page.silence:CARD"}
COMMANDS = {"silence": "command:SILENCE", "tune": "command:TUNE"}
PAGES = {"limits_api": "api:PAGE", "tuning": "page.router:PAGE"}
