"""The kind of destination ``hl7``: each result is one message ORU^R01, sent by MLLP until it is acknowledged."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from miqa_hl7.choice import ResultsConfig, ResultsDestination, without_patient
from miqa_hl7.message import message_of
from miqa_hl7.mllp import MllpConnection
from miqa_hl7.statement import Statement
from miqa_hl7.template import DEFAULT, Template, read_template
from miqa_node.api import (
    DeliveryContext,
    DeliveryError,
    DeliveryRefusedError,
    DestinationKind,
    File,
    SettingsError,
    WatchedFile,
    client_context,
    is_loopback,
)

miqa_api = 1


class OruConfig(ResultsConfig):
    """The keys of its ``[[destination]]`` table."""

    kind: Literal["hl7"] = "hl7"
    host: str = Field(min_length=1, description="the name or address of the receiver")
    port: int = Field(ge=1, le=65535, description="a port from 1 to 65535")
    tls: bool = Field(default=True, description="true or false")
    allow_plain: bool = Field(default=False, description="true or false")
    """Whether messages, which name patients, may leave this machine without TLS."""
    template: File = ""
    """The site's template; without it the one that comes with the distribution."""

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    @property
    def uses_tls(self) -> bool:
        """Whether ``tls`` is on."""
        return self.tls

    @model_validator(mode="after")
    def _is_right(self) -> Self:
        if not (self.tls or self.allow_plain or is_loopback(self.host)):
            raise ValueError("messages name patients: without TLS they leave this machine only if allow_plain = true.")
        try:
            _template(self.template or str(DEFAULT))
        except SettingsError as error:
            raise ValueError(f"template: {error}") from error
        return self


class OruDestination(ResultsDestination):
    """A receiver of messages. One that goes by MSH-10 has each once, however often it comes."""

    def __init__(self, config: OruConfig, context: DeliveryContext) -> None:
        super().__init__(config.name)
        self._config, settings = config, context.settings
        self._template = _template(config.template or str(DEFAULT))
        self._link = MllpConnection(
            config.host, config.port, settings.connection_timeout_s, settings.dimse_timeout_s
        )  # fmt: skip

    def probe(self) -> str:
        """Whether it takes a connection: a message would be one about a patient."""
        link = MllpConnection(self._config.host, self._config.port, 5.0, 5.0)
        try:
            link.open(self._tls())
        except OSError as error:
            raise DeliveryError("The receiver takes no connection.") from error
        finally:
            link.close()
        return "takes connections"

    def send_statement(self, statement: Statement) -> None:
        """Send it and read the answer: AA is success, AE is tried again, AR never is."""
        message = message_of(statement, self._template.current())
        code, text = self._link.exchange(message, statement.result_id, self._tls())
        text = f": {without_patient(text, statement)}" if text else "."
        if code in ("AR", "CR"):
            raise DeliveryRefusedError("The receiver rejected the message ({code}){text}", code=code, text=text)
        if code not in ("AA", "CA"):
            raise DeliveryError("The receiver answered {code}{text}", code=code[:2], text=text)

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _tls(self) -> Any:
        return client_context(self._config) if self._config.tls else None


@cache
def _template(file: str) -> WatchedFile[Template]:
    """The template in a file, the last good version of it."""
    return WatchedFile(Path(file), read_template)


KIND = DestinationKind(OruConfig, OruDestination)
