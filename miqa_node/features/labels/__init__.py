"""What readers and other systems say about images, and what a site makes of it."""

COMMANDS = {"calibrate": "command:CALIBRATE", "labels": "command:LABELS"}
PAGES = {
    "marks": "page.marks:PAGE",
    "marks_api": "api:PAGE",
    "readings": "page.router:PAGE",
}
EFFECTS = {"label_request": "effect.label_request:KIND", "note": "effect.note:KIND"}
