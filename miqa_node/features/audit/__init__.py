"""The audit trail: kept, chained, signed and sent."""

COMMANDS = {"audit": "command:AUDIT"}
CARDS = {"audit_link": "page.router:LINK"}
PAGES = {"audit": "page.router:PAGE", "audit_api": "api:PAGE"}
PARTS = {"audit": "work.audit:PART", "audit_sending": "work.audit_sending:PART"}
