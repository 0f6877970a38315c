"""All settings together: defaults from config/miqa.toml, then a site's file, then the environment."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError as VariableError

from miqa_node.core.settings.auditing import AuditSettings
from miqa_node.core.settings.base import SettingsTable
from miqa_node.core.settings.files import read_toml, share_dir
from miqa_node.core.settings.judging import (
    AssessSettings,
    CaptionSettings,
    ImagingSettings,
    PolicySettings,
    TextSettings,
)
from miqa_node.core.settings.mailing import NoticeSettings
from miqa_node.core.settings.receiving import DicomSettings, PatientSettings, TlsMode, WatchSettings
from miqa_node.core.settings.results import AnalysisSettings, DeliverSettings
from miqa_node.core.settings.running import (
    LogSettings,
    NodeSettings,
    PluginSettings,
    RetentionSettings,
    StoreSettings,
    TelemetrySettings,
    WorkSettings,
)
from miqa_node.core.settings.serving import AccessSettings, OidcSettings, WebSettings
from miqa_node.core.wrong_values import what_is_wrong
from miqa_node.errors import SettingsError


class Settings(BaseSettings):
    """All tables. Build it with :func:`load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix="MIQA_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    node: NodeSettings
    dicom: DicomSettings
    watch: WatchSettings
    patients: PatientSettings
    store: StoreSettings
    retention: RetentionSettings
    work: WorkSettings
    imaging: ImagingSettings
    assess: AssessSettings
    caption: CaptionSettings
    text: TextSettings
    policy: PolicySettings
    deliver: DeliverSettings
    analysis: AnalysisSettings
    web: WebSettings
    access: AccessSettings
    oidc: OidcSettings
    notices: NoticeSettings
    audit: AuditSettings
    log: LogSettings
    telemetry: TelemetrySettings
    plugins: PluginSettings
    sources: dict[str, dict[str, Any]]
    """The table of each source of another distribution, checked by the source itself."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Settings reach worker processes as they are."""
        return Settings.model_validate, (self.model_dump(),)

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.store.database_url or f"sqlite:///{(self.node.data_dir / 'miqa.sqlite').absolute()}"

    @property
    def web_url(self) -> str:
        """What links to the pages begin with."""
        return self.web.public_url.rstrip("/") or self.web.address(self.web.port)

    @property
    def certificates(self) -> dict[str, str]:
        """PEM files of the certificates that the node presents, by setting; without those of destinations."""
        files = {
            "dicom.tls_certificate": self.dicom.tls_certificate if self.dicom.tls is not TlsMode.OFF else "",
            "web.tls_certificate": self.web.tls_certificate,
            "audit.syslog_certificate": self.audit.syslog_certificate if self.audit.sends else "",
        }
        return {setting: file for setting, file in files.items() if file}

    @property
    def objects_dir(self) -> Path:
        """Folder of the object store on local disk, or of its cache when the store is remote."""
        return self.node.data_dir / "objects"

    @property
    def incoming_dir(self) -> Path:
        """Folder of objects that are still being received; on the object store's file system."""
        return self.node.data_dir / "incoming"

    @property
    def uploads_dir(self) -> Path:
        """Folder of uploaded forms while they are read."""
        return Path(self.web.upload_dir) if self.web.upload_dir else self.node.data_dir / "uploads"

    @property
    def models_dir(self) -> Path:
        """The site's folder of model packages, or the one that ships with the node."""
        return self.model_folders[0] if self.model_folders else share_dir("models")

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """Where model packages are looked for; the first folder that has a package of a name decides."""
        own = (Path(self.assess.models_dir),) if self.assess.models_dir else ()
        shipped = (share_dir("models"),) if self.assess.shipped_packages else ()
        return tuple(dict.fromkeys((*own, *shipped)))

    @property
    def policy_file(self) -> Path:
        """The policy in force."""
        return Path(self.policy.file) if self.policy.file else share_dir("config") / "policy.toml"

    @property
    def destinations_file(self) -> Path:
        """The destinations in force; empty if the file is absent."""
        path = self.deliver.destinations_file
        return Path(path) if path else self.node.data_dir / "destinations.toml"


def load_settings(config: Path | None = None, **overrides: dict[str, Any]) -> Settings:
    """Read the settings; ``overrides`` (table → key → value) win over environment, file and defaults.

    Raises
    ------
    SettingsError
        The file cannot be read, or a setting is unknown or out of range; the text names each.
    """
    sources = _toml_files(config)

    class _LayeredSettings(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            files = (_TomlFile(settings_cls, toml_file=path) for path in sources)
            return (init_settings, env_settings, *files)

    try:
        tables: dict[str, Any] = {table: values for table, values in overrides.items() if values}
        return _LayeredSettings(**tables)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error
    except VariableError as error:
        raise SettingsError(_not_json(error)) from error


class _TomlFile(TomlConfigSettingsSource):
    """A file. What a setting holds by name, such as shifts, is replaced as a whole by what takes precedence."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        return read_toml(Path(str(file_path)))

    def __call__(self) -> dict[str, Any]:
        """Its values, without such settings that are given already; those of plug-ins are tables of their own."""
        tables = super().__call__()
        for table, values in self.current_state.items():
            if table != "sources" and isinstance(tables.get(table), dict) and isinstance(values, dict):
                for key in values.keys() & tables[table].keys():
                    if isinstance(tables[table][key], dict):
                        del tables[table][key]
        return tables


def _toml_files(config: Path | None) -> list[Path]:
    """The files to read, in order of precedence."""
    defaults = share_dir("config") / "miqa.toml"
    if config is None:
        return [defaults]
    read_toml(config)  # pydantic's own source would take a file that is not there for an empty one
    return [config, defaults]


def _explain(error: ValidationError) -> str:
    lines = [f"[{'.'.join(str(part) for part in item['loc'])}] {_in_words(item)}" for item in error.errors()]
    return "Settings are wrong:\n  " + "\n  ".join(lines) + "\nEvery setting is explained in config/miqa.toml."


def _is_secret(place: tuple[int | str, ...]) -> bool:
    """Whether the value may be a secret: a whole table is one, since it may hold some."""
    table = Settings.model_fields.get(str(place[0])) if len(place) > 1 else None
    if table is None or not isinstance(table.annotation, type) or not issubclass(table.annotation, SettingsTable):
        return True
    field = table.annotation.model_fields.get(str(place[1]))
    return field is None or field.annotation is SecretStr


def _not_json(error: VariableError) -> str:
    """The variable that the library names only by its table; its value may be a secret."""
    text = getattr(error.__cause__, "doc", None)
    names = sorted(name for name, value in os.environ.items() if name.upper().startswith("MIQA_") and value == text)
    example = """'["a", "b"]', and a table as '{"a": 1}'"""
    return f"{' or '.join(names) or str(error)} cannot be read as JSON: write a list as {example}."


def _in_words(item: ErrorDetails) -> str:
    """What is wrong; for an unknown table or key, the known ones that are nearest to it."""
    if item["type"] != "extra_forbidden":
        return what_is_wrong(item, shown=not _is_secret(item["loc"]))
    *above, name = (str(part) for part in item["loc"])
    names: Iterable[str] = Settings.model_fields
    if above:
        table = Settings.model_fields[above[0]].annotation
        names = table.model_fields if isinstance(table, type) and issubclass(table, BaseModel) else ()
    meant = get_close_matches(name, names, 1) or [one for one in names if one in name or name in one][:1]
    kind = "setting" if above else "table"
    return f"There is no such {kind}." + (f" Did you mean {meant[0]}?" if meant else "")
