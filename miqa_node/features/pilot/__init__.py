"""A pilot: images of the past, fetched from an archive and judged for a report, of which nobody else hears."""

COMMANDS = {
    "pilot": "command.pilot:app | models 18 | A pilot on images of the past, which tells nobody: plan, run.",
}
PARTS = {"pilot_moves": "moves:PART"}
TABLES = {
    "pilots": "tables:pilots",
    "pilot_days": "tables:pilot_days",
    "pilot_images": "tables:pilot_images",
    "pilot_moves": "tables:pilot_moves",
    "pilot_strata": "tables:pilot_strata",
    "pilot_sample": "tables:pilot_sample",
}
