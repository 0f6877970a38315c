"""Analyses over all images of a site: reject analysis, monitoring of the model, and labels for training.

It reads the results of the stages from the store and is not part of an image's processing: nothing here delays or
changes an image.
"""

CARDS = {"coaching": "page.coaching.card:CARD"}
COMMANDS = {
    "analysis": (
        "command.analysis:app | rooms 11 | Reject analysis and model watch: rejects, model, report, export, "
        "import, logs, remove-log, mappings."
    ),
    "evaluate": (
        'command.evaluate:app | models 16 | Measure a package. "report" may be omitted: miqa-node evaluate '
        "PACKAGE --data DIR."
    ),
}
PAGES = {
    "analysis": "page.analysis.router:PAGE",
    "analysis_api": "api:PAGE",
    "rooms": "page.rooms.router:PAGE",
}
PARTS = {"counting": "work.counting:PART", "monthly_report": "work.monthly_report:PART"}
EFFECTS = {"acquisition": "effect:KIND"}
TABLES = {
    "analysis_reports": "tables:analysis_reports",
    "enhancement_figures": "tables:enhancement_figures",
    "label_days": "tables:label_days",
    "measurement_weeks": "tables:measurement_weeks",
    "positionings": "tables:positionings",
}
