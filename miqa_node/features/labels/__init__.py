"""What readers and other systems say about images, and what a site makes of it."""

CARDS = {
    "label_uses": "page.router:USES",
    "marking": "page.marks:CARD",
    "second_readings": "page.router:LINK",
}
COMMANDS = {
    "calibrate": (
        "command.calibrate:calibrate | models 14 | Calibrate a package with images labelled at this site and "
        "certify its verdicts."
    ),
    "labels": "command.labels:app | images 12 | Labels given by people: list, export, import.",
}
PAGES = {
    "marks": "page.marks:PAGE",
    "marks_api": "api:PAGE",
    "readings": "page.router:PAGE",
}
EFFECTS = {"label_request": "effect.label_request:KIND", "note": "effect.note:KIND"}
