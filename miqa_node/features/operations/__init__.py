"""The node's health, for the people who operate it."""

CARDS = {"alarms": "page.router:BANNER", "operations_numbers": "page.router:NUMBERS"}
COMMANDS = {
    "deliveries": "command:DELIVERIES",
    "doctor": "command:DOCTOR",
    "selftest": "command:SELFTEST",
}
PAGES = {
    "deliveries_api": "api.deliveries:PAGE",
    "operations": "page.router:PAGE",
    "operations_api": "api.operations:PAGE",
}
PARTS = {
    "certificates": "work.certificates:PART",
    "indexing": "work.indexing:PART",
    "pseudonym_watch": "work.pseudonym_watch:PART",
}
