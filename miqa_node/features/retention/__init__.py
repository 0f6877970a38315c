"""What the node keeps, and what it removes or erases."""

CARDS = {"fetch": "page.router:BUTTON"}
COMMANDS = {"erase": "command:ERASE", "retention": "command:RETENTION"}
PAGES = {
    "fetch_page": "page.router:PAGE",
    "holds_api": "api.holds:PAGE",
    "retrievals_api": "api.retrievals:PAGE",
}
PARTS = {"archives": "work.archives:PART", "retention": "work.retention:PART"}
TABLES = {
    "erasures": "tables:erasures",
    "origin": "tables:origin",
}
