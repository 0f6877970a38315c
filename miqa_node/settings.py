"""Every setting of the node: defaults from config/miqa.toml, then a site's file, then the environment.

``config/miqa.toml`` is the one place where a setting, its default and its explanation stand; the classes
here give each a type and a range. An unknown key is an error, so a spelling mistake cannot pass silently.
"""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from miqa_node.domain.policy import Policy
from miqa_node.domain.policy_file import parse_policy
from miqa_node.errors import SettingsError

log = structlog.get_logger(__name__)
T = TypeVar("T")

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
AeTitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[\x20-\x5b\x5d-\x7e]+$")]


class Accelerator(StrEnum):
    """Where models run; AUTO takes a GPU when a provider for it loads."""

    AUTO = "auto"
    CPU = "cpu"
    GPU = "gpu"


class SaliencyMethod(StrEnum):
    """How the place of a finding is shown; docs/explanation/saliency.md compares them."""

    CLASS_MAP = "class_map"
    NORMGRAD_BIAS = "normgrad_bias"
    NORMGRAD_SCALING = "normgrad_scaling"
    NORMGRAD_CONV1X1 = "normgrad_conv1x1"
    NORMGRAD_CONV3X3 = "normgrad_conv3x3"
    NORMGRAD_COMBINED = "normgrad_combined"
    GRADCAM = "gradcam"
    LAYERCAM = "layercam"
    OCCLUSION = "occlusion"


class TlsMode(StrEnum):
    """Whether the storage SCP listens with TLS: not, on a second port beside the plain one, or only there."""

    OFF = "off"
    ALSO = "also"
    ONLY = "only"


class LogFormat(StrEnum):
    """How log lines are written; AUTO is CONSOLE on a terminal and JSON elsewhere."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeSettings(_Table):
    """Table ``[node]``."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    site: Annotated[str, Field(max_length=64)]
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
    data_dir: Path
    accelerator: Accelerator


class DicomSettings(_Table):
    """Table ``[dicom]``."""

    ae_title: AeTitle
    host: str
    port: Port
    allowed_peers: tuple[str, ...]
    promiscuous: bool
    require_called_ae_title: bool
    max_associations: Count
    max_associations_per_peer: Count
    maximum_pdu_size: Annotated[int, Field(ge=0)]
    acse_timeout_s: Seconds
    dimse_timeout_s: Seconds
    network_timeout_s: Seconds
    max_object_bytes: Count
    commitment_peers: tuple[str, ...]
    tls: TlsMode
    tls_port: Port
    tls_certificate: str
    tls_key: str
    tls_client_ca: str


class WatchSettings(_Table):
    """Table ``[watch]``."""

    folder: str
    interval_s: Seconds
    settle_s: Seconds
    max_files: Count
    keep_done_days: Count


class StoreSettings(_Table):
    """Table ``[store]``."""

    database_url: str
    objects_url: str
    min_free_bytes: Annotated[int, Field(ge=0)]
    cache_bytes: Count
    pool_size: Count


class WorkSettings(_Table):
    """Table ``[work]``."""

    concurrency: Count
    poll_interval_s: Seconds
    max_attempts: Count
    heartbeat_interval_s: Seconds
    dead_after_s: Seconds
    retention_days: Count
    ct_quiet_s: Seconds
    mr_quiet_s: Seconds
    study_quiet_s: Seconds
    series_max_slices: Count


class ImagingSettings(_Table):
    """Table ``[imaging]``."""

    decode_timeout_s: Seconds
    decode_memory_bytes: Count
    decode_processes: Count
    max_pixels: Count


class AssessSettings(_Table):
    """Table ``[assess]``."""

    models_dir: str
    quality_package: str
    intra_op_threads: Count
    inter_op_threads: Count
    saliency_threshold: Annotated[float, Field(gt=0, lt=1)]
    saliency_method: SaliencyMethod
    saliency_timeout_s: Seconds
    min_confidence: Annotated[float, Field(ge=0, le=1)]
    max_percentile: Annotated[float, Field(ge=0, le=100)]
    enhance_method: Annotated[str, Field(pattern=r"^[a-z0-9]+(\+[a-z0-9]+)*$")]
    follow_interval_s: Seconds
    shadow_queue: Count
    shadow_timeout_s: Seconds
    shadow_memory_bytes: Count
    shadow_max_failures: Count


class CaptionBackend(StrEnum):
    """What describes images in sentences, beside the templates of the node."""

    OFF = "off"
    PACKAGE = "package"
    HTTP = "http"


class CaptionSettings(_Table):
    """Table ``[caption]``."""

    backend: CaptionBackend
    package: str
    url: str
    token: SecretStr
    long_side_px: Annotated[int, Field(ge=32, le=4096)]
    timeout_s: Seconds
    attempts: Count
    pause_s: Annotated[float, Field(ge=0)]
    max_answer_bytes: Count
    max_tokens: Annotated[int, Field(ge=1, le=1024)]
    max_sentences: Count
    max_characters: Annotated[int, Field(ge=1, le=1024)]


class PolicySettings(_Table):
    """Table ``[policy]``."""

    file: str


class DeliverSettings(_Table):
    """Table ``[deliver]``."""

    destinations_file: str
    lane_concurrency: Count
    connection_timeout_s: Seconds
    dimse_timeout_s: Seconds
    backoff_initial_s: Seconds
    backoff_max_s: Seconds
    max_attempts: Count
    breaker_failures: Count
    breaker_pause_s: Seconds
    commitment_timeout_s: Seconds
    batch_size: Count
    idle_association_s: Seconds
    poll_interval_s: Seconds


class AnalysisSettings(_Table):
    """Table ``[analysis]``."""

    rooms: dict[str, str]
    shifts: dict[str, Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]]
    repeat_window_s: Seconds
    show_operators: bool
    pseudonym_key: str
    assume_archived: bool
    archive_ae_titles: tuple[str, ...]
    target_percent: Annotated[float, Field(gt=0, lt=100)]
    action_percent: Annotated[float, Field(gt=0, lt=100)]
    audit_share: Share
    second_reader_share: Share
    count_interval_s: Seconds
    count_batch: Count
    report_schedule: Annotated[str, Field(pattern=r"^$|^\S+( \S+){4,5}$")]


class WebSettings(_Table):
    """Table ``[web]``."""

    host: str
    port: Port
    public_url: str
    allowed_hosts: tuple[str, ...]
    max_connections: Count
    max_request_bytes: Count
    page_size: Annotated[int, Field(ge=1, le=1000)]
    max_upload_bytes: Count
    render_side: Annotated[int, Field(ge=256, le=8192)]
    render_cache_bytes: Count
    render_at_once: Count
    viewer_url: Annotated[str, Field(pattern=r"^$|\{study_uid\}")]
    live_interval_s: Seconds
    live_heartbeat_s: Seconds
    max_live_pages: Count
    display_minutes: Count
    max_archive_members: Count
    max_archive_bytes: Count
    max_archive_ratio: Count
    max_predictions: Count
    predict_timeout_s: Seconds


class AccessSettings(_Table):
    """Table ``[access]``."""

    session_idle_s: Seconds
    session_lifetime_s: Seconds
    max_sessions: Count
    password_min_characters: Annotated[int, Field(ge=8, le=64)]
    invitation_lifetime_s: Seconds
    sign_in_failures: Count
    sign_in_failures_per_address: Count
    sign_in_window_s: Seconds


class OidcSettings(_Table):
    """Table ``[oidc]``."""

    issuer: str
    client_id: str
    client_secret: SecretStr
    scope: str
    name_claim: str
    role_claim: str
    viewers: tuple[str, ...]
    reviewers: tuple[str, ...]
    admins: tuple[str, ...]
    timeout_s: Seconds

    @property
    def used(self) -> bool:
        """Whether people sign on at the site's provider."""
        return bool(self.issuer)


class LogSettings(_Table):
    """Table ``[log]``."""

    level: LogLevel
    format: LogFormat


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
    store: StoreSettings
    work: WorkSettings
    imaging: ImagingSettings
    assess: AssessSettings
    caption: CaptionSettings
    policy: PolicySettings
    deliver: DeliverSettings
    analysis: AnalysisSettings
    web: WebSettings
    access: AccessSettings
    oidc: OidcSettings
    log: LogSettings

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.store.database_url or f"sqlite:///{(self.node.data_dir / 'miqa.sqlite').absolute()}"

    @property
    def web_url(self) -> str:
        """What links to the pages begin with."""
        host = "localhost" if self.web.host in ("0.0.0.0", "::", "127.0.0.1") else self.web.host  # noqa: S104 - compared
        return self.web.public_url.rstrip("/") or f"http://{f'[{host}]' if ':' in host else host}:{self.web.port}"

    @property
    def objects_dir(self) -> Path:
        """Folder of the object store on local disk, or of its cache when the store is remote."""
        return self.node.data_dir / "objects"

    @property
    def incoming_dir(self) -> Path:
        """Folder of objects that are still being received; on the object store's file system."""
        return self.node.data_dir / "incoming"

    @property
    def models_dir(self) -> Path:
        """Folder of model packages in force."""
        return Path(self.assess.models_dir) if self.assess.models_dir else share_dir("models")

    @property
    def policy_file(self) -> Path:
        """The policy in force."""
        return Path(self.policy.file) if self.policy.file else share_dir("config") / "policy.toml"

    @property
    def destinations_file(self) -> Path:
        """The destinations in force; the file may be absent, then there are none."""
        given = self.deliver.destinations_file
        return Path(given) if given else self.node.data_dir / "destinations.toml"


def load_settings(config: Path | None = None, **overrides: dict[str, Any]) -> Settings:
    """Read the settings; ``overrides`` (table → key → value) win over environment, file and defaults.

    Raises
    ------
    SettingsError
        The file cannot be read, or a setting is unknown or out of range; the text names each.
    """
    sources = _toml_files(config)

    class _Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            files = (TomlConfigSettingsSource(settings_cls, toml_file=path) for path in sources)
            return (init_settings, env_settings, *files)

    try:
        given: dict[str, Any] = {table: values for table, values in overrides.items() if values}
        return _Layered(**given)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from error


class WatchedFile(Generic[T]):
    """A file of the site that may change while the node runs.

    It is read again when it changes. A version with an error in it never replaces a good one, and a file that
    vanishes changes nothing. ``absent`` stands for one that does not exist at the start; without it that is an error.
    """

    def __init__(self, path: Path, read: Callable[[Path], T], absent: T | None = None) -> None:
        self._path = path
        self._read = read
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._value = absent if absent is not None and self._stamp is None else read(path)

    def current(self) -> T:
        """What the newest readable version of the file says; cheap enough to ask often."""
        with self._lock:
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._value = self._read(self._path)
                    log.info("file read again", file=self._path.name)
                except SettingsError as error:
                    log.error("the last good version stays in force", file=self._path.name, reason=str(error))
                except Exception:  # whoever asks is about to receive or to judge an image
                    log.exception("the last good version stays in force", file=self._path.name)
            return self._value

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def read_toml(path: Path) -> dict[str, Any]:
    """The document in a TOML file; SettingsError says why there is none."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise SettingsError(f"{path.name}: cannot be read as TOML: {error}") from error


def read_policy(path: Path) -> Policy:
    """The policy in a ``policy.toml``."""
    return parse_policy(read_toml(path))


def share_dir(name: str) -> Path:
    """Folder ``config``, ``models`` or ``migrations``: inside an installed wheel, or of the checkout."""
    package = Path(__file__).parent
    installed = package / "_share" / name
    return installed if installed.is_dir() else package.parent / name


def _toml_files(config: Path | None) -> list[Path]:
    """The files to read, the one that wins first."""
    defaults = share_dir("config") / "miqa.toml"
    if config is None:
        return [defaults]
    read_toml(config)  # pydantic's own source would take a file that is not there for an empty one
    return [config, defaults]


def _explain(error: ValidationError) -> str:
    lines = [f"[{'.'.join(str(part) for part in item['loc'])}] {item['msg']}" for item in error.errors()]
    return "Settings are wrong:\n  " + "\n  ".join(lines) + "\nEvery setting is explained in config/miqa.toml."
