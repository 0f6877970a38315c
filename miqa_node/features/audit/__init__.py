"""The audit trail: kept, chained, signed and sent."""

COMMANDS = {
    "audit": "command.audit:app | people 4 | The audit trail: show, export, verify.",
}
CARDS = {"audit_link": "page.router:LINK"}
PAGES = {"audit": "page.router:PAGE", "audit_api": "api:PAGE"}
PARTS = {"audit": "work.audit:PART", "audit_sending": "work.audit_sending:PART"}
