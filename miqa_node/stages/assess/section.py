"""A part of a card: a key that the schema does not have is an error."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a card: a key that the schema does not have is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
