"""What the node keeps, and what it removes or erases."""

CARDS = {"fetch": "page.router:BUTTON"}
COMMANDS = {
    "erase": "command.erase:app | people 4 | Erase a patient, with a signed proof: patient, list, proof, verify.",
    "retention": (
        "command.retention:app | people 4 | What the node keeps and removes: plan, confirm, fetch, hold, clear, holds."
    ),
}
PAGES = {
    "fetch_page": "page.router:PAGE",
    "holds_api": "api.holds:PAGE",
    "retrievals_api": "api.retrievals:PAGE",
}
PARTS = {
    "archives": "work.archives:PART",
    "erasures": "work.erasures:PART",
    "retention": "work.retention:PART",
}
TABLES = {
    "erasures": "tables:erasures",
    "origin": "tables:origin",
}
