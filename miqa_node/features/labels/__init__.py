"""What readers and other systems say about images, and what a site makes of it."""

CARDS = {
    "label_uses": "page.router:USES",
    "marking": "page.marks:CARD",
    "second_readings": "page.router:LINK",
}
COMMANDS = {"calibrate": "command:CALIBRATE", "labels": "command:LABELS"}
PAGES = {
    "marks": "page.marks:PAGE",
    "marks_api": "api:PAGE",
    "readings": "page.router:PAGE",
}
EFFECTS = {"label_request": "effect.label_request:KIND", "note": "effect.note:KIND"}
