"""Series of phantoms, which are not judged as patients are."""

COMMANDS = {"phantom": "command:PHANTOM", "phantoms": "command:PHANTOMS"}
PAGES = {"phantoms": "page.router:PAGE", "phantoms_api": "api:PAGE"}
EFFECTS = {"phantom": "effect:KIND"}
