"""Series of phantoms, which are not judged as patients are, and the log of what is measured of them."""

COMMANDS = {"phantom": "command:PHANTOM", "phantoms": "command:PHANTOMS"}
PAGES = {"phantoms": "page.router:PAGE", "phantoms_api": "api:PAGE"}
EFFECTS = {"phantom": "effect:KIND"}
TABLES = {
    "phantom_changes": "tables:phantom_changes",
    "phantom_kinds": "tables:phantom_kinds",
    "phantom_limits": "tables:phantom_limits",
    "phantom_scans": "tables:phantom_scans",
    "phantom_signatures": "tables:phantom_signatures",
    "phantom_values": "tables:phantom_values",
}
