"""What is usual on each scanner, protocol and body part, and which series are not: a hint for people, never a verdict.

It reads results from the store in the background; nothing here delays or changes a series.
"""

CARDS = {
    "noisier_machines": "page.noisier:CARD",
    "usual_curve": "page.router:CURVE",
    "usual_ranges": "page.router:CARD",
}
COMMANDS = {
    "ranges": "command.ranges:app | rooms 11 | What is usual on each scanner: list, show, confirm, withdraw.",
}
PAGES = {"usual_ranges": "page.router:PAGE", "usual_ranges_api": "api:PAGE"}
PARTS = {"usual_ranges": "work:PART"}
TABLES = {
    "usual_baselines": "tables:usual_baselines",
    "usual_series": "tables:usual_series",
}
