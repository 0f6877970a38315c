"""Notices to people by e-mail."""

CARDS = {"notice_status": "page.router:STATUS", "notice_wish": "page.router:WISH"}
PAGES = {"account_notices_api": "api:PAGE", "notices": "page.router:PAGE"}
PARTS = {"notices": "work:PART"}
GAUGES = {"notices": "rows.gauge:GAUGE"}
TABLES = {"notice_preferences": "tables:notice_preferences"}
