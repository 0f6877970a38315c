"""Body parts and views as headers name them: codes, words of seven languages, abbreviations, and a site's own words."""

from __future__ import annotations

import itertools
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from miqa_node.core.domain.instance import Header
from miqa_node.core.settings import share_dir
from miqa_node.core.settings.files import read_toml
from miqa_node.core.taxonomy.anatomy import STANDARD, Naming, anatomy_of
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.errors import SettingsError
from miqa_node.features.operations.rows import unknown_spellings
from miqa_node.runtime.store import documents
from miqa_node.runtime.store.database import Database
from miqa_node.stages.assess.card import Applicability
from miqa_node.stages.measure.view import PICTURE_HEADER
from miqa_node.stages.units.kinds import WITH_VIEW
from miqa_node.stages.units.rows import instances
from tests.dicom.bytes.test_headers import make
from tests.policies import ACCEPT, policy_of
from tests.runtime.store import making

CARD = Applicability(modality=("CR", "DX"), body_part=("CHEST", "THORAX", ""), view=("PA", "AP", ""))
POLICY = parse_policy(read_toml(share_dir("config") / "policy.toml"))
SCOPE = "frontal chest radiograph"

CHESTS = [
    "CHEST", "Thorax", "THORAX", "TORAX", "TÓRAX", "Torace", "LUNG", "Lunge", "Poumons", "PORT CHEST", "CHEST PORTABLE",
    "CHEST PA", "CHEST_1VIEW", "CHEST 2 VIEWS", "Thorax p.a.", "BORST", "Borstkas", "Brustkorb", "PECHO", "Thorax Bett",
    "RX TORAX", "XR CHEST", "CXR", "tórax pa", "THX", "Radio pulmonaire", "Radiographie thoracique", "Rx polmonare",
    "Radiografía pulmonar", "Chest, Adult PA", "CHEST^PA", "MOBILE CHEST", "Thorax op zaal", "Rx torace standard",
    "Thoraxübersicht", "LUNGENUEBERSICHT", "Röntgenthorax",
]  # fmt: skip
OTHERS = {
    "KNEE": ["KNEE", "Knie", "Genou", "RODILLA", "Ginocchio", "JOELHO", "KNEE RT AP", "Kniegelenk li."],
    "TSPINE": [
        "TSPINE", "THORACIC SPINE", "BWS", "Rachis dorsal", "COLUMNA DORSAL", "T-SPINE AP", "Thoracic vertebra AP",
        "Vertebra toracica", "Colonna vertebrale toracica", "Vertèbres thoraciques", "Wirbelsäule thorakal",
    ],
    "RIB": ["RIBS", "Hemithorax", "PARRILLA COSTAL", "Gril costal", "Parrilla torácica", "Gradil costal"],
    "CHESTABDOMEN": ["CHESTABDOMEN", "CHEST ABDOMEN", "Thorax/Abdomen", "BABYGRAM"],
    "SHOULDER": ["SHOULDER", "Schulter", "Épaule", "HOMBRO", "Spalla", "Schouder", "OMBRO"],
    "BREAST": ["BREAST", "Mamma", "MAMOGRAFIA"],
    "ABDOMEN": ["ABDOMEN", "KUB", "Bauch", "ASP", "Addome", "BUIK"],
}  # fmt: skip
FRONTALS = {
    "PA": [
        "PA",
        "pa",
        "P.A.",
        "PA ERECT",
        "postero-anterior",
        "Postéro-antérieur",
        "POSTEROANTERIOR",
        "p.a. stehend",
        "DV",
        "achter-voor",
    ],
    "AP": [
        "AP",
        "AP SUPINE",
        "a.p. liegend",
        "antero-posterior",
        "ANTEROPOSTERIOR",
        "AP PORTABLE",
        "voor-achter",
        "APSUP",
    ],
    "FRONTAL": ["FRONTAL", "Face", "de frente"],
    "": ["", "ERECT", "SUPINE", "UNKNOWN"],
}
LATERALS = ["LAT", "LATERAL", "Lateral", "LL", "RL", "seitlich", "PROFIL", "perfil", "Laterale", "LEFT LATERAL"]


@pytest.mark.parametrize("written", CHESTS)
def test_a_chest_is_a_chest_in_whatever_words(written: str) -> None:
    assert STANDARD.body_part(Naming(written=written), "DX") == "CHEST"
    assert STANDARD.body_part(Naming(hints=(written,)), "DX") == "CHEST"


@pytest.mark.parametrize(("part", "written"), [(part, words) for part, every in OTHERS.items() for words in every])
def test_another_part_is_never_a_chest(part: str, written: str) -> None:
    assert STANDARD.body_part(Naming(written=written), "DX") == part
    assert STANDARD.body_part(Naming(hints=(written,)), "DX") == part


@pytest.mark.parametrize(("view", "written"), [(view, words) for view, every in FRONTALS.items() for words in every])
def test_a_view_is_the_same_in_whatever_words(view: str, written: str) -> None:
    assert STANDARD.view(Naming(written=written)) == view


@pytest.mark.parametrize("written", LATERALS)
def test_a_lateral_view_is_no_frontal_one(written: str) -> None:
    header = _header("CHEST", STANDARD.view(Naming(written=written)))
    assert CARD.excludes(header, None)
    assert _place(header) != SCOPE


@pytest.mark.parametrize(
    ("region", "part"),
    [
        (("T-D3000", "SRT"), "CHEST"),
        (("T-D3000", "SNM3"), "CHEST"),
        (("T-D3000", "99SDM"), "CHEST"),
        (("51185008", "SCT"), "CHEST"),
        (("816094009", "SCT"), "CHEST"),
        (("39607008", "SCT"), "CHEST"),
        (("T-D9200", "SRT"), "KNEE"),
        (("72696002", "SCT"), "KNEE"),
        (("113197003", "SCT"), "RIB"),
        (("122495006", "SCT"), "TSPINE"),
        (("416550000", "SCT"), "CHESTABDOMEN"),
        (("T-D3000", "99VENDOR"), "99VENDOR T-D3000"),
        (("1234", "99VENDOR"), "99VENDOR 1234"),
    ],
)
@pytest.mark.parametrize(
    ("view", "term"),
    [
        (("272479007", "SCT"), "PA"),
        (("R-10214", "SRT"), "PA"),
        (("R-40888", "SNM3"), "PA"),
        (("399348003", "SCT"), "AP"),
        (("R-10206", "99SDM"), "AP"),
        (("399033003", "SCT"), "FRONTAL"),
        (("399067008", "SCT"), "LATERAL"),
    ],
)
def test_codes_count_by_value_and_designator_never_by_meaning(
    region: tuple[str, str], part: str, view: tuple[str, str], term: str, tmp_path: Path
) -> None:
    path = make(
        tmp_path / "a.dcm",
        AnatomicRegionSequence=_code(*region, meaning="Chest"),
        ViewCodeSequence=_code(*view, meaning="postero-anterior"),
    )
    header, _ = read_header(path)
    assert (header.body_part_examined, header.view_position) == (part, term)


def test_every_code_is_of_the_concept_that_the_standard_gives_it() -> None:
    """SNOMED RT and SNOMED CT codes of one concept agree, as far as pydicom's table of both goes."""
    for vocabulary in (STANDARD.body_parts, STANDARD.views):
        for term in vocabulary.terms:
            for retired in vocabulary.concept(term).srt:
                if (code := mapping["SRT"].get(retired)) is not None:
                    assert vocabulary.of_code("SCT", code) == term, (term, retired, code)


def test_codes_of_mammograms_mean_what_the_standard_says() -> None:
    """CID 4014, as pydicom has it."""
    table: Any = concepts["SCT"]
    entries = [entry for word in cid_concepts[4014]["SCT"] for entry in table[word].items()]
    codes = {code: meaning for code, (meaning, groups) in entries if 4014 in groups}
    terms = {meaning: STANDARD.views.of_code("SCT", code) for code, meaning in codes.items()}
    assert terms["superolateral to inferomedial oblique"] == "SIO"
    assert terms["cranio-caudal exaggerated laterally"] == "XCCL"
    assert terms["cranio-caudal exaggerated medially"] == "XCCM"
    assert (terms["cranio-caudal"], terms["medio-lateral oblique"]) == ("CC", "MLO")


def test_a_code_outweighs_words_and_words_outweigh_descriptions() -> None:
    knee, chest = ("SCT", "72696002"), ("SCT", "51185008")
    assert STANDARD.body_part(Naming((knee,), "CHEST", ("CHEST PA",))) == "KNEE"
    assert STANDARD.body_part(Naming((chest,), "KNEE")) == "CHEST"
    assert STANDARD.body_part(Naming(written="KNEE", hints=("CHEST",))) == "KNEE"
    assert STANDARD.body_part(Naming(written="UNKNOWN", hints=("", "Thorax p.a."))) == "CHEST"


def test_a_description_of_several_parts_tells_nothing_unless_none_is_a_chest() -> None:
    assert STANDARD.body_part(Naming(hints=("CHEST AND KNEE",))) == ""
    assert STANDARD.body_part(Naming(hints=("KNEE AND HIP",))) == "HIP KNEE"


SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("groups", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"])
def test_the_region_of_an_enhanced_image_is_that_of_its_frames(groups: str, syntax: str, tmp_path: Path) -> None:
    """Frame Anatomy Sequence (PS3.3 C.7.6.16.2.8): Enhanced CT and MR need have no Body Part Examined."""
    chest, heart = _code("816094009", "SCT", meaning="Chest"), _code("T-32000", "SRT", meaning="Heart")
    of_chest: dict[str, Any] = {groups: _frames(chest, chest)}
    of_heart: dict[str, Any] = {groups: _frames(heart)}
    path = make(tmp_path / "a.dcm", syntax, **of_chest)
    assert read_header(path)[0].body_part_examined == "CHEST"
    path = make(tmp_path / "b.dcm", syntax, BodyPartExamined="CHEST", **of_heart)
    assert read_header(path)[0].body_part_examined == "CHEST"


@pytest.mark.parametrize(
    ("values", "part"),
    [
        (("816094009", "818981001"), "CHESTABDOMEN"),
        (("816094009", "69536005"), "CHEST HEAD"),
        (("816094009", "1234"), "SCT 816094009"),
        ((), ""),
    ],
)
def test_frames_of_several_regions_are_not_called_by_the_first(
    values: tuple[str, ...], part: str, tmp_path: Path
) -> None:
    frames = _frames(*(_code(value, "SCT", meaning="Region") for value in values))
    path = make(tmp_path / "a.dcm", PerFrameFunctionalGroupsSequence=frames)
    assert read_header(path)[0].body_part_examined == part


def test_combined_terms_are_of_known_parts() -> None:
    for term, parts in STANDARD.body_parts.combined.items():
        assert parts <= STANDARD.body_parts.terms, term
        assert STANDARD.body_parts.together(parts) == term


def _frames(*regions: Sequence) -> Sequence:
    groups = []
    for region in regions:
        anatomy, group = Dataset(), Dataset()
        anatomy.AnatomicRegionSequence, anatomy.FrameLaterality = region, "U"
        group.FrameAnatomySequence = Sequence([anatomy])
        groups.append(group)
    return Sequence(groups)


def test_brust_and_borst_are_the_breast_in_mammography() -> None:
    for word in ("Brust", "BORST"):
        assert STANDARD.body_part(Naming(written=word), "MG") == "BREAST"
        assert STANDARD.body_part(Naming(written=word), "DX") == "CHEST"


def test_patient_orientation_tells_a_lateral_view() -> None:
    assert STANDARD.view(Naming(), ("A", "F")) == "LATERAL"
    assert STANDARD.view(Naming(), ("L", "F")) == ""
    assert STANDARD.view(Naming(written="PA"), ("A", "F")) == "PA"


def test_laterality_comes_from_the_modifier_of_the_region(tmp_path: Path) -> None:
    region = _code("72696002", "SCT", meaning="Knee")
    region[0].AnatomicRegionModifierSequence = _code("24028007", "SCT", meaning="Right")
    assert read_header(make(tmp_path / "a.dcm", AnatomicRegionSequence=region))[0].image_laterality == "R"


def test_policy_and_card_agree_on_every_spelling() -> None:
    words = [*CHESTS, *(word for every in OTHERS.values() for word in every)]
    views = [*(word for every in FRONTALS.values() for word in every), *LATERALS]
    for part, view in itertools.product(words, views):
        header = _header(STANDARD.body_part(Naming(written=part), "DX"), STANDARD.view(Naming(written=view)))
        assert (not CARD.excludes(header, None)) == (_place(header) == SCOPE), (part, view)


@pytest.mark.parametrize("written", ["THORAX", "Thorax", "TORAX", "thx bett"])
def test_a_policy_in_yesterdays_spelling_means_the_same(written: str) -> None:
    policy = policy_of(ACCEPT, where={"mine": {"body_part": [written], "view": ["postero-anterior"]}})
    now = _header(STANDARD.body_part(Naming(written=written)), "PA")
    assert policy.place_of(now) is not None
    assert policy.place_of(_header("KNEE", "PA")) is None


def test_a_header_stored_by_an_earlier_version_has_todays_terms() -> None:
    document = documents.dump_header(_header("TORAX", "postero-anterior"))
    header = documents.load_header(document)
    assert (header.body_part_examined, header.view_position) == ("CHEST", "PA")


def test_a_site_maps_its_own_words_and_private_codes() -> None:
    site = anatomy_of({"Oberkörper": "Thorax", "99VENDOR 17": "KNEE"}, {"Bettseite": "AP"})
    assert site.body_part(Naming(written="OBERKÖRPER")) == "CHEST"
    assert site.body_part(Naming((("99VENDOR", "17"),))) == "KNEE"
    assert site.view(Naming(written="bettseite")) == "AP"
    assert STANDARD.body_part(Naming(written="OBERKÖRPER")) == "OBERKÖRPER"
    with pytest.raises(SettingsError, match=r"imaging.views maps to 'SIDEWAYS'"):
        anatomy_of({}, {"Bett": "SIDEWAYS"})


def test_words_that_nobody_knows_are_counted_with_the_line_to_add() -> None:
    stored = [("OBERKOERPER", "PA")] * 3 + [("CHEST", "ZZ"), ("CHEST", "PA")]
    with closing(Database.in_memory()) as database, database.begin() as transaction:
        for number, (part, view) in enumerate(stored):
            of = replace(making.header(number), modality="DX", body_part_examined=part, view_position=view)
            instances.record(transaction, of, making.study(), making.received(making.digest(number)), "key")
        unknown = unknown_spellings(transaction, STANDARD, WITH_VIEW, making.NOW)
    assert [(one.written, one.images) for one in unknown] == [("OBERKOERPER", 3), ("ZZ", 1)]
    assert unknown[0].line == 'imaging.body_parts = { "OBERKOERPER" = "…" }'


def _header(part: str, view: str) -> Header:
    return replace(PICTURE_HEADER, body_part_examined=part, view_position=view)


def _place(header: Header) -> str:
    place = POLICY.place_of(header)
    return place.name if place else ""


def _code(value: str, scheme: str, *, meaning: str) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])
