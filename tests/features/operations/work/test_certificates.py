"""Certificates that end are said in the log and the metrics two weeks before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from structlog.testing import capture_logs

from miqa_node.core.observe import metrics
from miqa_node.core.settings import load_settings
from miqa_node.features.operations.work.certificates import CertificateWatch
from miqa_node.stages.deliver.certificates import certificate_files
from miqa_node.stages.deliver.destinations import Destinations
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig
from tests.waiting import wait_until


def expiry(name: str) -> float | None:
    return metrics.REGISTRY.get_sample_value("miqa_certificate_expiry_timestamp_seconds", {"certificate": name})


def test_each_certificate_that_is_presented_is_watched(tmp_path: Path) -> None:
    ca, end = trustme.CA(), (datetime.now(UTC) + timedelta(days=13)).replace(microsecond=0)
    node, client = tmp_path / "node.pem", tmp_path / "client.pem"
    ca.issue_cert("node.example", not_after=end).private_key_and_cert_chain_pem.write_to_path(node)
    ca.issue_cert("c.example", not_after=end + timedelta(days=2)).private_key_and_cert_chain_pem.write_to_path(client)
    settings = load_settings(
        dicom={"tls": "also", "tls_certificate": str(node)}, web={"tls_certificate": str(tmp_path / "none.pem")}
    )
    pacs = CStoreConfig(name="PACS", ae_title="PACS", host="127.0.0.1", port=1, tls=True, tls_certificate=str(client))
    watch = CertificateWatch(lambda: certificate_files(settings, Destinations(settings.destinations_file, [pacs])))

    with capture_logs() as lines:
        watch.look()
        watch.look()

    assert [line["certificate"] for line in lines] == ["dicom.tls_certificate"]
    assert expiry("dicom.tls_certificate") == end.timestamp()
    assert expiry("PACS") == (end + timedelta(days=2)).timestamp()
    assert expiry("web.tls_certificate") is None

    ca.issue_cert("node.example").private_key_and_cert_chain_pem.write_to_path(node)
    watch.start()  # it looks at once
    try:
        assert wait_until(lambda: (expiry("dicom.tls_certificate") or 0.0) > end.timestamp())
    finally:
        watch.stop()


def test_the_first_end_of_a_chain_counts(tmp_path: Path) -> None:
    """A leaf that outlives the authority between it and the root is refused with that authority."""
    end = datetime.now(UTC) + timedelta(days=5)
    chain = trustme.CA().issue_cert("a.example", not_after=end).cert_chain_pems[0].bytes()
    leaf = trustme.CA().issue_cert("node.example")
    file = tmp_path / "chain.pem"
    file.write_bytes(leaf.private_key_and_cert_chain_pem.bytes() + chain)
    settings = load_settings(web={"tls_certificate": str(file)})

    CertificateWatch(lambda: certificate_files(settings, Destinations(settings.destinations_file))).look()

    assert expiry("web.tls_certificate") == int(end.timestamp())
