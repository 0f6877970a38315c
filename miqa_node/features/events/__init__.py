"""Events for other systems."""

PARTS = {"studies": "work:PART"}
EFFECTS = {"event": "effect:KIND", "late_event": "effect:LATE_KIND"}
