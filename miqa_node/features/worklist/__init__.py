"""Flagged studies, and what people decide about them."""

COMMANDS = {
    "explain": (
        "command.explain:explain | images 8 | Show the history of an image or a study: arrival, assessment, "
        "verdict, results, deliveries."
    ),
    "worklist": (
        "command.worklist:app | images 10 | Flagged studies: list, views, show, claim, assign, release, comment, "
        "resolve, reopen, correct, conflicts, settle."
    ),
}
PAGES = {
    "api": "api.worklist:PAGE",
    "hounsfield": "page.study.hounsfield:PAGE",
    "images": "page.images.router:PAGE",
    "live": "page.live.router:PAGE",
    "review": "page.study.review:PAGE",
    "saved_views": "page.worklist.saved:PAGE",
    "study": "page.study.router:PAGE",
    "views_api": "api.views:PAGE",
    "worklist": "page.worklist.router:PAGE",
}
PARTS = {"amending": "work.amending:PART", "mending": "work.mending:PART"}
EFFECTS = {"worklist": "effect.worklist:KIND"}
GAUGES = {"worklist": "rows.gauge:GAUGE"}
TABLES = {"saved_views": "tables:saved_views"}
