"""Series of phantoms, which are not judged as patients are, and the log of what is measured of them."""

SEAMS = {"phantom_measures": "measure:PHANTOM_MEASURES"}
COMMANDS = {
    "phantom": (
        "command.phantom:phantom | rooms 11 | Measure phantoms in files; what the node received is listed with "
        "phantoms."
    ),
    "phantoms": (
        "command.phantoms:app | rooms 10 | Series of phantoms, and their log: change, kind, limits, list, log, "
        "patient, phantom, sign, values."
    ),
}
PAGES = {"phantoms": "page.router:PAGE", "phantoms_api": "api:PAGE"}
EFFECTS = {"phantom": "effect:KIND"}
PARTS = {"phantom_concerns": "work:PART"}
TABLES = {
    "phantom_changes": "tables:phantom_changes",
    "phantom_kinds": "tables:phantom_kinds",
    "phantom_limits": "tables:phantom_limits",
    "phantom_scans": "tables:phantom_scans",
    "phantom_signatures": "tables:phantom_signatures",
    "phantom_values": "tables:phantom_values",
}
