"""What the page of a study says in few words, what it outlines, and what it shows beside an image."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from miqa_node.core.domain.codes import OTHER_FAILURE
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import Radiograph, SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import (
    InstanceDigest,
    ReceivedObject,
    SeriesInstanceUid,
    SopInstanceUid,
    StudyInstanceUid,
)
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.domain.worklist import Resolution
from miqa_node.core.words.headline import MAX_WORDS, headline
from miqa_node.features.worklist.rows import history, worklist
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.stages.units.rows import instances, priors
from tests.web.staging import NOW, Stage

CT = "1.2.840.10008.5.1.4.1.1.2"


def test_the_headline_says_what_and_where(stage: Stage) -> None:
    _, digest = stage.add(1, finding=FindingName.FOREIGN_OBJECT, peak=(0.1, 0.9))
    _, blurred = stage.add(2, finding=FindingName.MOTION_BLUR, peak=(0.1, 0.9))
    with stage.services.database.begin() as transaction:
        rows, blur = (history.of_instance(transaction, one) for one in (digest, blurred))
    assert rows.disposition is not None
    assert blur.disposition is not None

    assert headline(rows.assessment, rows.disposition) == "Foreign object, lower part, on the patient's right"
    assert headline(rows.assessment, rows.disposition, "de") == "Fremdmaterial, unterer Teil, rechts am Patienten"
    assert headline(blur.assessment, blur.disposition) == "Motion blur", "blur has no place"


def test_the_headline_is_short_and_leaves_out_what_is_only_unusual() -> None:
    many = "one two three four five six seven eight nine ten eleven twelve thirteen."
    reasons = tuple(Reason(name, many, OTHER_FAILURE, Verdict.REVIEW) for name in ("noise_share", "anomaly"))

    disposition = headline(None, Disposition(Verdict.REVIEW, reasons, "p", "s"))
    unusual = headline(None, Disposition(Verdict.REVIEW, (replace(reasons[1], text="Unusual image."),), "p", "s"))

    assert disposition == "one two three four five six seven eight nine ten eleven twelve …"
    assert len(disposition.removesuffix(" …").split()) == MAX_WORDS
    assert unusual == "Unusual image"
    assert headline(None, Disposition(Verdict.ACCEPT, (), "p", "s")) == "Nothing needs attention"


def test_outlines_name_what_is_present_and_only_places_have_lines(stage: Stage, client: TestClient) -> None:
    values = np.zeros((10, 10), np.float32)
    values[6:8, 1:3] = 1.0
    _, digest = stage.add(1, finding=FindingName.FOREIGN_OBJECT, peak=(0.2, 0.7))
    _, blurred = stage.add(2, finding=FindingName.MOTION_BLUR)
    _, fine = stage.add(3, Verdict.ACCEPT)
    for one, name in ((digest, FindingName.FOREIGN_OBJECT), (blurred, FindingName.MOTION_BLUR)):
        Artifacts(stage.services.objects).keep_maps(one, SaliencyMaps({name: SaliencyMap(values, "drise")}))

    [outline] = client.get(f"/images/{digest}/outlines").json()
    [blur] = client.get(f"/images/{blurred}/outlines").json()

    assert (outline["title"], blur["title"], blur["polygons"]) == ("Foreign object", "Motion blur", [])
    assert re.fullmatch("#[0-9a-f]{6}", outline["colour"])
    [polygon] = outline["polygons"]
    xs, ys = zip(*polygon, strict=True)
    assert (min(xs), max(xs)) == pytest.approx((0.1, 0.3), abs=0.06)
    assert (min(ys), max(ys)) == pytest.approx((0.6, 0.8), abs=0.06)
    assert client.get(f"/images/{fine}/outlines").json() == []
    assert client.get(f"/images/{'0' * 64}/outlines").status_code == 404


def test_the_last_good_image_is_of_the_same_room_and_view_and_nobody_called_it_bad(stage: Stage) -> None:
    _, first = stage.add(1, Verdict.ACCEPT)
    _, called_bad = stage.add(2)
    stage.add(3, Verdict.ACCEPT, station="ROOM2")
    _, digest = stage.add(4)
    stage.add(5, Verdict.ACCEPT)

    with stage.services.database.begin() as transaction:
        image = history.of_instance(transaction, digest).instance
        good = priors.last_good(transaction, image)
        elsewhere = priors.last_good(transaction, replace(image, header=replace(image.header, station_name="")))
        worklist.resolve(transaction, "1.2.3.2", Resolution.DISMISSED, "mara", "", NOW)
        flagged_is_not_good = priors.last_good(transaction, image)

    assert good is not None
    assert good.digest == first != called_bad
    assert elsewhere is None
    assert flagged_is_not_good == good


def test_a_piece_is_cut_from_the_image_s_own_pixels(stage: Stage, app: FastAPI, client: TestClient) -> None:
    pixels = np.tile(np.arange(3000, dtype=np.uint16) * 20, (2600, 1))
    image = Radiograph(stored=pixels, display=pixels, stored_range=(0, 65535), spacing_mm=None)
    app.state.services = replace(stage.services, decode=lambda _path: image)
    _, digest = stage.add(1)
    stage.services.objects.put(original_key(digest), b"decoded by this test")

    full = client.get(f"/images/{digest}/pixels?full=true")
    piece = client.get(f"/images/{digest}/patch.png?x=1&y=0")

    assert full.headers["x-size"] == "2600 3000 2600 3000"
    assert client.get(f"/images/{digest}/pixels").headers["x-size"].startswith("1775 2048 ")
    assert piece.content.startswith(b"\x89PNG")
    assert client.get(f"/images/{digest}/patch.png?x=2").status_code == 422


def test_a_study_of_slices_shows_its_series_once(stage: Stage, client: TestClient) -> None:
    """The slice that stands for the series came last; a page that took the first fifty images never showed it."""
    _, flagged = stage.add(1)
    with stage.services.database.begin() as transaction:
        model = history.of_instance(transaction, flagged)
        assert model.assessment is not None
        assert model.disposition is not None
        base = replace(model.instance.header, sop_class_uid=CT, modality="CT", photometric_interpretation="MONOCHROME2")
        record = history.of_study(transaction, "1.2.3.1")
        for number in range(60):
            digest = InstanceDigest(f"{number:064x}")
            header = replace(
                base,
                sop_instance_uid=SopInstanceUid(f"1.2.9.{number}"),
                series_instance_uid=SeriesInstanceUid("1.2.9"),
                study_instance_uid=StudyInstanceUid("1.2.3.9"),
            )
            received = ReceivedObject("unused", digest, 1, "CT", "MIQA", "10.0.0.7", NOW + timedelta(seconds=number))
            of = replace(record, study_instance_uid=StudyInstanceUid("1.2.3.9"))
            instances.record(transaction, header, of, received, original_key(digest))
        instances.begin_attempt(transaction, digest, NOW)
        instances.save_assessment(transaction, replace(model.assessment, digest=digest, header=header))
        instances.save_disposition(transaction, digest, StudyInstanceUid("1.2.3.9"), model.disposition, NOW)

    page = client.get("/studies/1.2.3.9").text

    assert re.findall('data-viewer="(\\w+)"', page) == [digest]
    slices = re.search('data-slices="([^"]+)"', page)
    assert slices is not None
    assert json.loads(html.unescape(slices[1])) == [[f"{number:064x}", 0] for number in range(60)]
