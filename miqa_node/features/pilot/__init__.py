"""A pilot: images of the past, fetched from an archive and judged for a report, of which nobody else hears."""

SEAMS = {"past_rooms": "past_rooms:PAST_ROOMS"}
COMMANDS = {
    "pilot": (
        "command.sample:app | studies 18 | A pilot on images of the past, which tells nobody: plan, report, run,"
        " sample."
    ),
}
PAGES = {"pilot_reading": "page.router:READ", "pilots": "page.router:PAGE", "pilots_api": "api:PAGE"}
PARTS = {"pilot_moves": "moves:PART"}
TABLES = {
    "pilot_days": "tables:pilot_days",
    "pilot_gaps": "tables:pilot_gaps",
    "pilot_images": "tables:pilot_images",
    "pilot_moves": "tables:pilot_moves",
    "pilot_readings": "tables:pilot_readings",
    "pilot_sample": "tables:pilot_sample",
    "pilots": "tables:pilots",
}
