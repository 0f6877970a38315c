"""Judges images again."""

CARDS = {"judge_again": "page.router:BUTTON"}
COMMANDS = {"reassess": "command:REASSESS"}
PAGES = {"reassess_page": "page.router:PAGE", "reassessments_api": "api:PAGE"}
GAUGES = {"reassessments": "rows:GAUGE"}
