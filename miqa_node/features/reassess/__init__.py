"""Judges images again."""

COMMANDS = {"reassess": "command:REASSESS"}
PAGES = {"reassess_page": "page.router:PAGE", "reassessments_api": "api:PAGE"}
GAUGES = {"reassessments": "rows:GAUGE"}
