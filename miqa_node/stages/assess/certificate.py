"""What is known about a verdict's reliability: a certificate and its conditions, or the reason why there is none."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from miqa_node.core.domain.policy import Policy
from miqa_node.core.language.phrase import Phrase, joined
from miqa_node.libraries.plain_statistics.guarantee import Promise
from miqa_node.stages.assess.section import Section

Share = Annotated[float, Field(gt=0, lt=1)]
Amount = Annotated[int, Field(ge=0)]


class Guarantee(Section):
    """One promise that held on the test split: ``k`` failures among ``n`` images show a share below ``limit``.

    ``limit`` is the α of "accepted_bad" or the β of "bad_accepted"; the promise is wrong with a probability of at
    most ``delta``. ``upper_limit`` is the Clopper–Pearson limit at the chosen operating points.
    """

    promise: Promise
    limit: Share
    delta: Share
    n: Amount
    k: Amount
    upper_limit: Annotated[float, Field(ge=0, le=1)]

    @property
    def sentence(self) -> str:
        """The readable form."""
        figures = {
            "limit": f"{100 * self.limit:g} %",
            "sure": f"{100 * (1 - self.delta):g} %",
            "failures": self.k,
            "images": self.n,
        }
        if self.promise is Promise.ACCEPTED_BAD:
            return Phrase(
                "of accepted images at most {limit} are bad ({sure} confidence, {failures} of {images})", **figures
            )
        return Phrase(
            "of bad images at most {limit} are accepted ({sure} confidence, {failures} of {images})", **figures
        )


class Refusal(Section):
    """A promise that could not be certified, the reason, and how many more labelled patients might suffice."""

    promise: Promise
    limit: Share
    delta: Share
    n: Amount
    k: Amount
    reason: str
    labels_needed: Amount | None


class Certificate(Section):
    """The promises, their evidence, and the policy that they hold for.

    ``world`` is "site" if people labelled images of the site, "simulated" for simulated defects; a certificate on
    simulated defects says nothing about real ones. ``site`` is empty in the card of a shipped package.
    """

    made_on: date
    world: Literal["site", "simulated"]
    site: str
    policy_version: str
    policy_sha256: str
    guarantees: tuple[Guarantee, ...]
    refused: tuple[Refusal, ...] = ()

    def expired(self, policy: Policy, site: str) -> str:
        """What has changed since then, as the end of a sentence; empty if nothing has."""
        if self.policy_sha256 != policy_sha256(policy):
            return Phrase("the policy changed from {old} to {new}", old=self.policy_version, new=policy.version)
        if self.world == "site" and self.site != site:
            return Phrase("it was made at another site")
        return ""

    def sentence(self, policy: Policy, site: str) -> str:
        """The sentence to show beside a verdict of this policy at this site."""
        if not self.guarantees:
            return Phrase("no certificate: no promise could be kept on the labels of {day}", day=self.made_on)
        if reason := self.expired(policy, site):
            return Phrase("no certificate: that of {day} expired, {reason}", day=self.made_on, reason=reason)
        where = Phrase(" for {site}", site=self.site) if self.site else ""
        world = Phrase(", for simulated defects only") if self.world == "simulated" else ""
        promises = joined("; ", [guarantee.sentence for guarantee in self.guarantees])
        return Phrase(
            "certified {day}{where}{world}: {promises}", day=self.made_on, where=where, world=world, promises=promises
        )


def policy_sha256(policy: Policy) -> str:
    """Identity of the rules and limits; it depends on the policy's version, not on comments or layout of the file."""
    placed = replace(policy, rules=tuple(replace(rule, line="") for rule in policy.rules))
    return hashlib.sha256(json.dumps(asdict(placed), sort_keys=True, default=str).encode()).hexdigest()
