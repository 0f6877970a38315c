"""The node's health, for the people who operate it."""

CARDS = {"alarms": "page.router:BANNER", "operations_numbers": "page.router:NUMBERS"}
COMMANDS = {
    "deliveries": (
        "command.deliveries:app | images 9 | Deliveries of results: list, show, hold, release, resend, cancel."
    ),
    "doctor": (
        "command.doctor:doctor | maintain 1 | Check settings, disk, database, policy, models, accelerator, ports,"
        " mail server and destinations."
    ),
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
