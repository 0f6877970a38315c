"""Every setting of the node.

``config/miqa.toml`` is the one place where a setting, its default and its explanation stand; the classes
here give each a type and a range. An unknown key is an error, so a spelling mistake cannot pass silently.
"""

from miqa_node.core.settings.auditing import AuditSettings, SyslogTransport
from miqa_node.core.settings.files import WatchedFile, read_toml, share_dir
from miqa_node.core.settings.judging import (
    AssessSettings,
    CaptionBackend,
    CaptionSettings,
    ImagingSettings,
    PolicySettings,
    SaliencyMethod,
    TextSettings,
)
from miqa_node.core.settings.load import Settings, load_settings
from miqa_node.core.settings.mailing import NoticeSettings, SmtpTls
from miqa_node.core.settings.receiving import DicomSettings, PatientSettings, TlsMode, UserIdentityMode, WatchSettings
from miqa_node.core.settings.results import AnalysisSettings, DeliverSettings
from miqa_node.core.settings.running import (
    Accelerator,
    LogFormat,
    LogLevel,
    LogSettings,
    NodeSettings,
    PluginSettings,
    RetentionSettings,
    StoreSettings,
    TelemetrySettings,
    WorkSettings,
)
from miqa_node.core.settings.serving import AccessSettings, OidcSettings, WebSettings

__all__ = [
    "Accelerator",
    "AccessSettings",
    "AnalysisSettings",
    "AssessSettings",
    "AuditSettings",
    "CaptionBackend",
    "CaptionSettings",
    "DeliverSettings",
    "DicomSettings",
    "ImagingSettings",
    "LogFormat",
    "LogLevel",
    "LogSettings",
    "NodeSettings",
    "NoticeSettings",
    "OidcSettings",
    "PatientSettings",
    "PluginSettings",
    "PolicySettings",
    "RetentionSettings",
    "SaliencyMethod",
    "Settings",
    "SmtpTls",
    "StoreSettings",
    "SyslogTransport",
    "TelemetrySettings",
    "TextSettings",
    "TlsMode",
    "UserIdentityMode",
    "WatchSettings",
    "WatchedFile",
    "WebSettings",
    "WorkSettings",
    "load_settings",
    "read_toml",
    "share_dir",
]
