"""Which packages a site runs, and how well they fit it."""

COMMANDS = {
    "models": (
        "command.models:app | models 13 | Models: list, check, activate, rollback, history, shadow, compare, "
        "baseline, certify, card, certificate, seal, pack, sign, verify."
    ),
}
PARTS = {"prediction_watch": "work:PART"}
