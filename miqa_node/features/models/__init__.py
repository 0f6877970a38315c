"""Which packages a site runs, and how well they fit it."""

COMMANDS = {"models": "command:MODELS"}
PARTS = {"prediction_watch": "work:PART"}
