"""Sticky notes: what people leave on a study for whoever opens it next."""

CARDS = {"sticky_notes": "page.router:CARD", "sticky_notes_count": "page.router:COUNT"}
COMMANDS = {"sticky-notes": "command.sticky_notes:app | images 20 | Sticky notes on studies: list, add."}
PAGES = {"sticky_notes": "page.router:PAGE", "sticky_notes_api": "api:PAGE"}
TABLES = {"sticky_notes": "tables:sticky_notes"}
