from __future__ import annotations

from collections.abc import Callable

import pytest

from miqa_node.core.domain.peers import parse_peer
from miqa_node.core.settings import DicomSettings
from miqa_node.errors import SettingsError
from miqa_node.stages.receive.admission import Admission, Caller, Rejection, is_this_host

Make = Callable[..., DicomSettings]


def judge(settings: DicomSettings, calling: str, peer: str, local: str = "10.0.0.1", called: str = "MIQA") -> object:
    refused = Admission(settings).judge(Caller(calling, called, peer, local))
    return None if refused is None else refused[0]


def test_by_default_this_host_and_nobody_else(dicom_settings: Make) -> None:
    settings = dicom_settings()
    assert judge(settings, "ANY", "127.0.0.1", "127.0.0.1") is None
    assert judge(settings, "ANY", "::1", "::1") is None
    assert judge(settings, "ANY", "10.0.0.1", "10.0.0.1") is None
    assert judge(settings, "ANY", "10.0.0.2") is Rejection.CALLING_AE_TITLE


@pytest.mark.parametrize(
    ("entry", "calling", "peer", "admitted"),
    [
        ("CT1@10.0.0.5", "CT1", "10.0.0.5", True),
        ("CT1@10.0.0.5", "CT2", "10.0.0.5", False),
        ("CT1@10.0.0.5", "CT1", "10.0.0.6", False),
        ("CT1@10.0.0.5", "ct1", "10.0.0.5", False),
        ("*@10.0.0.0/24", "ANY", "10.0.0.200", True),
        ("*@10.0.0.0/24", "ANY", "10.0.1.1", False),
        ("*@10.0.0.7/24", "ANY", "10.0.0.200", True),
        ("CT*@*", "CT_ROOM2", "192.168.7.7", True),
        ("CT*@*", "MR1", "192.168.7.7", False),
        ("C.1@*", "CT1", "192.168.7.7", False),
        ("A@B@10.0.0.5", "A@B", "10.0.0.5", True),
        ("CT1@10.0.0.5", "CT1", "::ffff:10.0.0.5", True),
        ("CT1@fd00::/8", "CT1", "fd00::1%eth0", True),
        ("CT1@0.0.0.0/0", "CT1", "fd00::1", False),
    ],
)
def test_listed_peers(dicom_settings: Make, entry: str, calling: str, peer: str, admitted: bool) -> None:
    refused = judge(dicom_settings(allowed_peers=[entry]), calling, peer)
    assert (refused is None) is admitted


def test_promiscuous_lets_everybody_in(dicom_settings: Make) -> None:
    assert judge(dicom_settings(promiscuous=True), "ANY", "203.0.113.9") is None


def test_the_hint_says_what_to_add(dicom_settings: Make) -> None:
    refused = Admission(dicom_settings()).judge(Caller("CT1", "MIQA", "::ffff:10.0.0.5", "10.0.0.1"))
    assert refused is not None
    assert '"CT1@10.0.0.5"' in refused[1]
    entry = refused[1].split('"')[1]
    assert judge(dicom_settings(allowed_peers=[entry]), "CT1", "10.0.0.5") is None


def test_the_called_title_comes_first(dicom_settings: Make) -> None:
    settings = dicom_settings(require_called_ae_title=True)
    assert judge(settings, "ANY", "10.0.0.2", called="X") is Rejection.CALLED_AE_TITLE


def test_limits(dicom_settings: Make) -> None:
    admission = Admission(dicom_settings(max_associations=3, max_associations_per_peer=2))
    assert admission.judge_load("10.0.0.1", ["10.0.0.1", "10.0.0.2"]) is None
    full_peer = admission.judge_load("10.0.0.1", ["10.0.0.1", "::ffff:10.0.0.1"])
    full_node = admission.judge_load("10.0.0.9", ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    assert full_peer is not None
    assert "max_associations_per_peer" in full_peer[1]
    assert full_node is not None
    assert full_node[0] is Rejection.LOCAL_LIMIT


@pytest.mark.parametrize("entry", ["10.0.0.5", "@10.0.0.5", "CT1@", "CT1@pacs.example", "SEVENTEEN_LETTERS@1.2.3.4"])
def test_wrong_entries_are_settings_errors(entry: str) -> None:
    with pytest.raises(SettingsError, match=r"dicom\.allowed_peers"):
        parse_peer(entry)


def test_another_host_is_not_this_host() -> None:
    assert not is_this_host("10.0.0.2", "10.0.0.1")
