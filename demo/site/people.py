"""What people do at a site, over REST: they claim flagged studies, comment, decide, and confirm limits."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from demo.site.plan import NEW_SOFTWARE_DAYS
from miqa_node.core.domain.access import Permission, Role
from miqa_node.errors import MiqaError
from miqa_node.features.accounts.page.sign_in.passwords import hash_password
from miqa_node.runtime.people import tokens, users
from miqa_node.runtime.store.database import Database
from miqa_selftest.launch import ACCOUNT, HOST

PASSWORD = "two months of images"  # noqa: S105 - of a site that is made of public images
PEOPLE = {"ada": Role.ADMIN, "jonas": Role.REVIEWER, "mara": Role.REVIEWER, "lena": Role.REVIEWER, "tom": Role.VIEWER,
          ACCOUNT: Role.SERVICE}  # fmt: skip
REVIEWERS = ("mara", "jonas", "lena")
COMMENTS = (
    "necklace over the lungs", "patient could not hold still, see request", "asked the room", "second exposure exists",
    "collimated on purpose: follow-up of the left apex only, agreed with Dr Vogt by phone this morning",
)  # fmt: skip
RESOLUTIONS = ("confirmed", "dismissed", "retaken", "dismissed")
DECIDED_OF_FIVE = 3
LIMITS = (("noise", "THORAX1", 0.35), ("unsharp", "CASUALTY", 0.3), ("underexposure", "", 0.4))


def add_people(database: Database) -> dict[str, str]:
    """Six accounts; returns a token of each."""
    now, secrets = datetime.now(UTC), {}
    with database.begin() as transaction:
        for name, role in PEOPLE.items():
            users.add(
                transaction, name, role, now, password_hash="" if role is Role.SERVICE else hash_password(PASSWORD)
            )
            scopes = role.permissions - {Permission.DISPLAY}
            secrets[name] = tokens.add(transaction, name, "of the making", sorted(scopes), now, now + timedelta(days=1))
    return secrets


class SitePeople:
    """They speak with the node at a port, each with a token."""

    def __init__(self, port: int, secrets: dict[str, str]) -> None:
        self._port, self._secrets = port, secrets

    def work(self) -> None:
        """Go through the worklist: most studies are decided, some claimed, some have comments."""
        for number, item in enumerate(self._worklist()):
            path, who = f"/api/v1/worklist/{item['study_instance_uid']}", REVIEWERS[number % len(REVIEWERS)]
            if number % 4 == 0:
                self.ask(who, "POST", f"{path}/comments", {"text": COMMENTS[number // 4 % len(COMMENTS)]})
            if number % 5 == 4:
                self.ask(who, "POST", f"{path}/claim", {})
            elif number % 5 < DECIDED_OF_FIVE:
                resolution = RESOLUTIONS[number % len(RESOLUTIONS)]
                comment = COMMENTS[number % len(COMMENTS)] if number % 3 else ""
                self.ask(who, "POST", f"{path}/resolve", {"resolution": resolution, "comment": comment})

    def look_at_the_newest(self) -> None:
        """Some of today's studies are claimed or spoken of."""
        waiting = [one for one in self._worklist() if one["state"] == "OPEN"]
        for number, item in enumerate(waiting[:12]):
            path, who = f"/api/v1/worklist/{item['study_instance_uid']}", REVIEWERS[number % len(REVIEWERS)]
            if number % 3 == 1:
                self.ask(who, "POST", f"{path}/claim", {})
            if number % 4 == 2:
                self.ask(who, "POST", f"{path}/comments", {"text": COMMENTS[number % len(COMMENTS)]})

    def confirm_limits(self) -> None:
        """Limits of rooms that are tried on the images and confirmed."""
        limits = [
            {"finding": finding, "room": room, "view": "", "least_strength": strength}
            for finding, room, strength in LIMITS
        ]
        tried = self.ask("mara", "POST", "/api/v1/limits/appraisals", {"limits": limits, "keep": True})
        self.ask(
            "ada",
            "POST",
            f"/api/v1/limits/{tried['number']}/confirm",
            {"comment": "agreed on Monday"},
        )

    def keep_phantoms(self) -> None:
        """Limits of a value, a change at a machine, and signatures under the newest scans."""
        rows = self.ask("ada", "GET", "/api/v1/phantoms/log?limit=100")["items"]
        changed = (datetime.now(UTC) - timedelta(days=NEW_SOFTWARE_DAYS + 9)).date().isoformat()
        for row in rows[:3]:
            path = f"/api/v1/phantoms/log/{row['history']}"
            self.ask("mara", "POST", f"{path}/changes", {"on_day": changed, "what": "new tube"})

    def choose_notices(self) -> None:
        """Two people want mail."""
        for name, rooms in (("mara", ["THORAX1"]), ("jonas", [])):
            wish = {"address": f"{name}@miqa.example", "rooms": rooms, "digest": True, "escalation": True}
            self.ask(name, "POST", "/api/v1/accounts/own/notices", wish)

    def _worklist(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.ask("ada", "GET", "/api/v1/worklist?limit=1000")["items"]
        return items

    def ask(self, name: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer to a person's request; MiqaError if it is refused."""
        headers = {"Authorization": f"Bearer {self._secrets[name]}", "Content-Type": "application/json"}
        with closing(http.client.HTTPConnection(HOST, self._port, timeout=60.0)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
            if response.status >= 400:
                raise MiqaError(f"{method} {path}: {response.status} {text.decode()[:300]}")
            return json.loads(text or b"null")
