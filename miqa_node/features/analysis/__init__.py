"""Analyses over all images of a site: reject analysis, monitoring of the model, and labels for training.

It reads the results of the stages from the store and is not part of an image's processing: nothing here delays or
changes an image.
"""

COMMANDS = {"analysis": "command:ANALYSIS", "evaluate": "command:EVALUATE"}
PAGES = {
    "analysis": "page.analysis.router:PAGE",
    "analysis_api": "api:PAGE",
    "rooms": "page.rooms.router:PAGE",
}
PARTS = {"counting": "work.counting:PART", "monthly_report": "work.monthly_report:PART"}
EFFECTS = {"acquisition": "effect:KIND"}
