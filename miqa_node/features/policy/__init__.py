"""The site's policy: converted from the form of before, and tried on stored assessments before it is put in force."""

COMMANDS = {
    "policy": "command.policy:app | maintain 3 | The site's policy: convert, try.",
}
