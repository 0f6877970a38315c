"""A pilot: images of the past, fetched from an archive and judged for a report, of which nobody else hears."""

COMMANDS = {
    "pilot": (
        "command.sample:app | models 18 | A pilot on images of the past, which tells nobody: plan, run, sample, report."
    ),
}
PAGES = {"pilots": "page.router:PAGE", "pilot_reading": "page.router:READ", "pilots_api": "api:PAGE"}
PARTS = {"pilot_moves": "moves:PART"}
TABLES = {
    "pilots": "tables:pilots",
    "pilot_days": "tables:pilot_days",
    "pilot_images": "tables:pilot_images",
    "pilot_moves": "tables:pilot_moves",
    "pilot_strata": "tables:pilot_strata",
    "pilot_sample": "tables:pilot_sample",
    "pilot_readings": "tables:pilot_readings",
}
