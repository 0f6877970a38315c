from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.event import EventType
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings, share_dir
from miqa_node.errors import DeliveryError, SettingsError
from miqa_node.stages.deliver.destinations import Destinations, parse_destinations, parse_flag
from miqa_node.stages.deliver.kinds.base import DESTINATIONS, DeliveryContext, connect, probe
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from miqa_node.stages.deliver.kinds.folder import FolderConfig
from miqa_node.stages.report.outputs.base import OUTPUTS
from tests.conftest import ROOT
from tests.node.third_party import installed
from tests.stages.deliver.making import outcomes

PACS = '[[destination]]\nname = "pacs"\nae_title = "ORTHANC"\nhost = "10.0.0.5"\nport = 104\n'

HOOK = '[[destination]]\nname = "ris"\nkind = "webhook"\nurl = "https://ris.example/in?k=1"\nsecret_file = "/s"\n'


def write(path: Path, text: str) -> None:
    """Replace the file, with a time stamp of its own even where the clock of the file system is coarse."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, "utf-8")
    if path.stat().st_mtime_ns == before:
        os.utime(path, ns=(before + 1, before + 1))


def test_reads_a_file_with_defaults(tmp_path: Path) -> None:
    file = tmp_path / "destinations.toml"
    write(file, PACS)
    assert parse_destinations(file) == (CStoreConfig(name="pacs", ae_title="ORTHANC", host="10.0.0.5", port=104),)


def test_reads_every_key(tmp_path: Path) -> None:
    file = tmp_path / "destinations.toml"
    write(file, PACS + 'kind = "cstore"\ncalling_ae_title = "QA"\nobjects = ["SR", "KOS"]\nconcurrency = 3\n')
    (config,) = parse_destinations(file)
    assert config.calling_ae_title == "QA"
    assert config.objects == (ResultKind("SR"), ResultKind("KOS"))
    assert config.concurrency == 3


def test_the_example_is_right_and_shows_every_key() -> None:
    example = share_dir("config") / "destinations.example.toml"
    configs = parse_destinations(example)
    assert len(configs) >= 2
    text = example.read_text("utf-8")
    kinds = {config.kind for config in configs}
    assert kinds == {"cstore", "stow", "folder", "webhook"}, "those of other distributions have pages of their own"
    for kind in kinds:
        for name in DESTINATIONS.get(kind).config.model_fields:
            assert f"{name} = " in text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[destination", "cannot be read as TOML"),
        (PACS + 'decline_unassessed = ["ultrasound"]', r"decline_unassessed must be a list of modalities, such as"),
        ("[destination]\nname = 'x'", "two brackets"),
        ("[[destinations]]\nname = 'x'", "unknown: destinations"),
        (PACS + PACS, "called pacs"),
        (PACS.replace("104", "0"), "port must be"),
        (PACS.replace("104", "true"), "port must be"),
        (PACS.replace('"ORTHANC"', '"SEVENTEEN_LETTERS"'), "ae_title must be"),
        (PACS.replace('"ORTHANC"', '"   "'), "ae_title must be"),
        (PACS.replace('name = "pacs"', 'name = "a b"'), "name must be"),
        (PACS.replace('host = "10.0.0.5"\n', ""), "host must be"),
        (PACS + "portt = 3", "unknown: portt"),
        (PACS + 'kind = "ftp"', "kind 'ftp'"),
        (PACS + 'objects = ["HOLOGRAM"]', "objects must be"),
        (PACS + "concurrency = 0", "concurrency must be"),
        (PACS + 'url = "https://x"', "kind cstore knows"),
        (PACS + "commitment = 1", "commitment must be true or false"),
        (PACS + 'on_warning = "shrug"', "accept or retry"),
        (PACS + 'tls_ca = "/x"', "TLS is off"),
        (PACS + 'tls = true\ntls_key = "/x"', "give both"),
        ('[[destination]]\nname = "w"\nkind = "stow"\nurl = "ftp://x"', "url must be"),
        ('[[destination]]\nname = "w"\nkind = "stow"\nurl = "https://x"\nport = 3', "kind stow knows"),
        (HOOK.replace("secret_file", "secret"), "webhook knows"),
        (HOOK.replace('secret_file = "/s"', ""), "secret_file must be"),
        (HOOK + 'events = ["study.lost"]', "events must be a list out of .*study.flagged"),
        (HOOK + 'objects = ["SR"]', "kind webhook knows"),
        (HOOK.replace("https", "http"), "write https in the url"),
        (HOOK.replace("https://", "https://user:word@"), "url must be"),
        (PACS + 'objects = ["STUDY_FLAGGED"]', "objects must be"),
        ('[[destination]]\nname = "f"\nkind = "folder"\nfolder = "out"', "whole path"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "destinations.toml"
    write(file, text)
    with pytest.raises(SettingsError, match=says):
        parse_destinations(file)


def test_a_webhook_is_told_of_studies_unless_it_asks_for_more(tmp_path: Path) -> None:
    file = tmp_path / "destinations.toml"
    local = HOOK.replace("https://ris.example", "http://127.0.0.1:8000").replace('"ris"', '"own"')
    allowed = HOOK.replace("https", "http").replace('"ris"', '"old"') + "allow_http = true\n"
    write(file, HOOK + local + 'events = ["image.assessed"]\n' + allowed)
    config, own, old = parse_destinations(file)
    assert config.events == (EventType.STUDY_FLAGGED, EventType.STUDY_PASSED)
    assert own.events == (EventType.IMAGE_ASSESSED,)
    assert old.url.startswith("http://ris")
    assert config.address == "https://ris.example", "what stands behind the host may be a secret"


def test_flags() -> None:
    assert parse_flag("pacs=ORTHANC@127.0.0.1:4242") == CStoreConfig(
        name="pacs", ae_title="ORTHANC", host="127.0.0.1", port=4242
    )
    assert parse_flag("p=A B@[::1]:104").host == "::1"
    assert parse_flag("p=A B@[::1]:104").address == "A B@[::1]:104"


@pytest.mark.parametrize(
    "text", ["", "pacs", "pacs=A@h", "A@h:104", "pacs=A@h:x", "pacs=@h:104", "=A@h:1", "p=A@h:70000"]
)
def test_wrong_flags_say_how_to_write_them(text: str) -> None:
    with pytest.raises(SettingsError, match="--destination"):
        parse_flag(text)


def test_changes_are_taken_up(tmp_path: Path) -> None:
    file = tmp_path / "destinations.toml"
    destinations = Destinations(file)
    assert dict(destinations.current()) == {}
    write(file, PACS)
    assert set(destinations.current()) == {"pacs"}
    write(file, PACS.replace("10.0.0.5", "10.0.0.6"))
    assert destinations.current()["pacs"].host == "10.0.0.6"
    write(file, "")
    assert dict(destinations.current()) == {}


def test_the_last_good_version_stays(tmp_path: Path) -> None:
    file = tmp_path / "destinations.toml"
    write(file, PACS)
    destinations = Destinations(file)
    write(file, "[[destination]]\nname = 3")
    with capture_logs() as logs:
        assert set(destinations.current()) == {"pacs"}
        assert "name must be" in str(logs)
        logs.clear()
        destinations.current()
        assert not logs
    file.unlink()
    assert set(destinations.current()) == {"pacs"}
    write(file, PACS.replace("pacs", "other"))
    assert set(destinations.current()) == {"other"}


def test_a_wrong_file_at_start_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "destinations.toml"
    write(file, "x")
    with pytest.raises(SettingsError):
        Destinations(file)


def test_fixed_destinations_win(tmp_path: Path) -> None:
    file = tmp_path / "destinations.toml"
    write(file, PACS)
    destinations = Destinations(file, [parse_flag("pacs=X@h:1"), parse_flag("two=Y@h:2")])
    assert {name: c.ae_title for name, c in destinations.current().items()} == {"pacs": "X", "two": "Y"}
    with pytest.raises(SettingsError, match="called a"):
        Destinations(file, [parse_flag("a=X@h:1"), parse_flag("a=Y@h:2")])


def test_who_takes_what(tmp_path: Path) -> None:
    file = tmp_path / "destinations.toml"
    write(file, PACS + 'objects = ["SR"]\n' + PACS.replace("pacs", "all"))
    destinations = Destinations(file)
    assert destinations.taking(ResultKind("SR")) == ("pacs", "all")
    assert destinations.taking(ResultKind("SEG")) == ("all",)


def test_who_declines_what_was_not_assessed(tmp_path: Path) -> None:
    file = tmp_path / "destinations.toml"
    none = PACS.replace("pacs", "none") + 'decline_unassessed = ["*"]\n'
    write(file, PACS + 'decline_unassessed = ["US", "PT"]\n' + none + PACS.replace("pacs", "all"))
    destinations = Destinations(file)
    assert destinations.declining("US", Verdict.NOT_ASSESSED) == ("pacs", "none")
    assert destinations.declining("CR", Verdict.NOT_ASSESSED) == ("none",)
    assert destinations.declining("US", Verdict.ACCEPT) == ()


@pytest.mark.parametrize(
    ("profile", "flagged", "accepted"),
    [
        ("flagged-only", {"SR", "SEG", "KOS"}, set()),
        ("all", {"SR", "SEG", "KOS"}, {"SR", "SEG"}),  # a segmentation only where there is a mask
        ("airai", {"SR", "SEG", "KOS"}, {"SR", "SEG"}),
        ("legacy-viewer", {"SR", "KOS", "SC", "PDF", "GSPS"}, set()),
        ("statistics-only", set(), set()),
    ],
)
def test_what_a_profile_may_send_of_a_flagged_and_of_an_accepted_image(
    profile: str, flagged: set[str], accepted: set[str]
) -> None:
    [config] = parse_destinations(ROOT / "config" / "profiles" / f"{profile}.toml")
    made = [one for one in OUTPUTS.all().values() if one.of_images and not one.of_decisions and config.takes(one.kind)]

    def sent(verdict: Verdict) -> set[str]:
        kinds = {one.kind for one in made if verdict.flagged or not one.only_flagged}
        return set() if config.declines("CR", verdict) else {str(kind) for kind in kinds}

    assert (sent(Verdict.REJECT), sent(Verdict.ACCEPT)) == (flagged, accepted)


OTHER = """
miqa_api = 1
{before}
from typing import Literal
from miqa_node.stages.deliver.kinds.base import Destination, DestinationKind, ObjectsConfig

class DropConfig(ObjectsConfig):
    kind: Literal["drop"] = "drop"
    box: str

class Drop(Destination):
    boxes = {{}}

    def __init__(self, config, context):
        super().__init__(config.name)
        self.box = config.box

    def probe(self):
        return "is open"

    def send_one(self, sop_class_uid, sop_instance_uid, data):
        self.boxes.setdefault(self.box, []).append(sop_instance_uid)

def flag(text):
    return {{"box": text[5:]}} if text.startswith("drop:") else None

KIND = DestinationKind(DropConfig, Drop, flag, "drop:BOX")
"""
DROP = '[[destination]]\nname = "d"\nkind = "drop"\nbox = "b"\nobjects = ["SR"]\n'


def test_a_kind_of_another_distribution_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "destinations.toml"
    write(file, DROP)
    with installed(tmp_path / "site", monkeypatch, DESTINATIONS, "drop", OTHER.format(before=""), "KIND"):
        (config,) = parse_destinations(file)
        destination = connect(config, DeliveryContext(load_settings().deliver))
        assert outcomes(destination, ("1.2", "1.2.3", b"x")) == [None]
        assert destination.probe() == "is open"
        assert destination.boxes == {"b": ["1.2.3"]}
        assert parse_flag("out=drop:c").box == "c"
        with pytest.raises(SettingsError, match="NAME=drop:BOX"):
            parse_flag("out")
        write(file, DROP.replace("box", "bax"))
        with pytest.raises(SettingsError, match=r"unknown: bax. Did you mean box\? A .* of kind drop knows box"):
            parse_destinations(file)
    write(file, DROP)
    with pytest.raises(SettingsError, match="kind 'drop' is unknown; use cstore or folder or stow or webhook"):
        parse_destinations(file)


def test_a_kind_that_cannot_be_loaded_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "destinations.toml"
    write(file, DROP)
    code = OTHER.format(before="import no_such_library")
    with (
        installed(tmp_path / "site", monkeypatch, DESTINATIONS, "drop", code, "KIND"),
        pytest.raises(SettingsError, match="no_such_library is not installed"),
    ):
        parse_destinations(file)


def test_secrets_are_neither_shown_nor_in_errors(tmp_path: Path) -> None:
    file = tmp_path / "destinations.toml"
    web = '[[destination]]\nname = "w"\nkind = "stow"\nurl = "https://me:topsecret@pacs.example/web"\n'
    write(file, HOOK.replace("k=1", "k=topsecret") + web)
    configs = parse_destinations(file)
    assert "topsecret" not in f"{configs} {[config.address for config in configs]}"
    assert configs[1].address == "https://pacs.example/web"
    write(file, HOOK.replace("k=1", "k=topsecret#"))
    with pytest.raises(SettingsError, match="url must be") as caught:
        parse_destinations(file)
    assert "topsecret" not in str(caught.value)


def test_a_folder_that_takes_no_bytes_is_not_said_to_be_writable(tmp_path: Path) -> None:
    """As on a full disk, where an empty file still has room."""
    config = FolderConfig(name="share", folder=str(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(DeliveryError, match="cannot be written"):
            probe(config, DeliveryContext(load_settings().deliver))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
