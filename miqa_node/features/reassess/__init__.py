"""Judges images again."""

CARDS = {"judge_again": "page.router:BUTTON"}
COMMANDS = {
    "reassess": (
        "command.reassess:reassess | images 10 | Judge images again, behind those that arrive; without --yes only"
        " show which ones."
    ),
}
PAGES = {"reassess_page": "page.router:PAGE", "reassessments_api": "api:PAGE"}
GAUGES = {"reassessments": "rows:GAUGE"}
