"""The demonstration: samples are labelled and repeatable, the PACS keeps what it answers, the story ends well."""

from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

pytest.importorskip("data_store", reason="pydicom-data is not installed")

from demo.samples import make_samples
from demo.story import faults
from miqa_node.core.domain.dimse_status import in_words
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.features.operations.selftest.launch import free_port, free_ports
from miqa_node.features.operations.selftest.outcome import SampleOutcome
from miqa_node.features.operations.selftest.pacs import AE_TITLE, ReceivingPacs
from miqa_node.features.operations.selftest.radiographs import SampleImage
from miqa_node.features.operations.selftest.send import StoreReceipt
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from tests.stages.deliver.making import outcomes


@pytest.fixture(scope="module")
def samples() -> list[SampleImage]:
    return make_samples()


def opened(sample: SampleImage) -> Dataset:
    return dcmread(BytesIO(sample.data))


def test_the_pacs_keeps_what_it_answers_and_finds_it_again(samples: list[SampleImage], tmp_path: Path) -> None:
    sample = samples[0]
    with ReceivingPacs(tmp_path) as pacs:
        config = CStoreConfig(name="pacs", ae_title=AE_TITLE, host="127.0.0.1", port=pacs.port)
        modality = CStoreDestination(config, DeliveryContext(load_settings().deliver, "TEST"))
        [error] = outcomes(modality, (sample.sop_class_uid, sample.sop_instance_uid, sample.data))
        modality.close()
        assert error is None
        arrival = pacs.find(sample.sop_instance_uid)
        assert arrival is not None
        assert dcmread(arrival.path).PixelData == opened(sample).PixelData
        assert pacs.report_about(sample.sop_instance_uid) is None
    later = ReceivingPacs(tmp_path).find(sample.sop_instance_uid)
    assert later is not None
    assert (later.modality, later.path) == ("CR", arrival.path)
    assert ReceivingPacs(tmp_path).find("1.2.3") is None


def test_ports_are_free_and_different() -> None:
    ports = free_ports((0, 0, 0))
    assert len(set(ports)) == 3
    assert free_port(ports[0]) == ports[0]


def outcome(sample: SampleImage, verdict: Verdict | None, error: str = "") -> SampleOutcome:
    document = {"disposition": {"verdict": verdict.value, "reasons": []}, "results": []} if verdict else None
    return SampleOutcome(sample, StoreReceipt(0.0, error), document)


def test_every_broken_promise_is_named(samples: list[SampleImage]) -> None:
    degraded = samples[2]
    text = "\n".join(
        faults(
            [
                outcome(samples[0], None),
                outcome(samples[1], None, f"The peer answered with status {in_words(0xA700)}."),
                outcome(degraded, Verdict.ACCEPT),
                outcome(samples[3], Verdict.REJECT),
            ],
            [],
        )
    )
    assert "no verdict" in text
    assert "0xA700" in text
    assert "the verdict is ACCEPT" in text
    assert "made no KOS" in text
    assert "not on the worklist" in text
    assert "no segmentation arrived" in text
