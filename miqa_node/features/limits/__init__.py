"""Limits of soft findings for each room of a site, which learn them, and the silent first days of its body parts."""

CARDS = {"learned_rooms": "page.rooms:CARD", "silence": "page.silence:CARD"}
COMMANDS = {
    "rooms": (
        "command.rooms:list_rooms | rooms 14 | List the rooms, what each has learned, and what most images show."
    ),
    "silence": (
        "command.silence:silence | rooms 15 | Show which body parts are silent, in their first days at this "
        "site, and end that for one."
    ),
    "tune": (
        "command.tune:tune | rooms 14 | List what rooms have learned, confirm it or let them learn anew, and "
        "try limits of your own."
    ),
}
PAGES = {"limit_rooms": "api:ROOMS", "limits_api": "api:PAGE", "tuning": "page.router:PAGE"}
PAST_ROOMS = {"limits": "past_rooms:PAST_ROOMS"}
EFFECTS = {"room_image": "effect:KIND"}
PARTS = {"learned_rooms": "work:PART"}
TABLES = {"room_images": "tables:room_images"}
