"""The page that looks at one image: judged as by the pipeline, kept only when asked, ZIP files within limits."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from miqa_node.core.settings import WebSettings, load_settings
from miqa_node.errors import ArchiveError
from miqa_node.node import Node
from miqa_node.stages.receive.zip_file import members
from miqa_node.stages.units.rows import instances
from tests.interfaces.web.test_predict import dicom, node, picture  # noqa: F401 - node is a fixture
from tests.waiting import wait_until


@pytest.fixture
def client(node: Node) -> Iterator[httpx2.Client]:  # noqa: F811
    with httpx2.Client(base_url=f"http://127.0.0.1:{node.web_port}", timeout=120) as client:
        yield client


def look(client: httpx2.Client, data: bytes, **fields: str) -> httpx2.Response:
    page = client.get("/look").text
    match = re.search(r'name="csrf" value="([^"]+)"', page)
    form = {"body_part": "chest", "view": "pa", **fields, **({"csrf": match[1]} if match else {})}
    origin = str(client.base_url).rstrip("/")
    return client.post("/look", files={"file": ("a", data)}, data=form, headers={"origin": origin})


def test_an_image_is_judged_and_nothing_of_it_stays(client: httpx2.Client, node: Node) -> None:  # noqa: F811
    wait_until(lambda: _is_at_rest(node), what="what other tests sent is judged")
    before = _files(node)
    answer = look(client, picture(200, seed=901))
    assert answer.status_code == 200, answer.text
    assert "Pneumonia" in answer.text
    assert "lungs-1.0.0" in answer.text
    assert "ecision support, not diagnosis" in answer.text
    assert "data:image/" in answer.text
    assert '<a href="/look" aria-current="page">' in answer.text, "it has the menu"
    assert '<link rel="stylesheet" href="/static/style.css">' in answer.text
    assert "style=" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.replace(" data:", "") == client.get("/look").headers["content-security-policy"]
    assert _files(node) == before


def _is_at_rest(running: Node) -> bool:
    with running.database.begin() as transaction:
        counts = instances.count(transaction)
    return counts.received == counts.decided


def _files(running: Node) -> list[Path]:
    folder = running.settings.node.data_dir
    return sorted(path for path in folder.rglob("*") if path.is_file() and "sqlite" not in path.name)


def test_a_dicom_file_that_is_kept_is_shown_on_its_study_as_it_was_looked_at(client: httpx2.Client) -> None:
    looked_at = predicted(look(client, dicom(411, 0.5)).text)
    answer = look(client, dicom(411, 0.5), keep="true")
    assert answer.status_code == 303, answer.text
    copy = wait_until(lambda: predicted(client.get(answer.headers["location"]).text))
    assert "lungs-1.0.0" in looked_at
    assert copy.replace(" show where", "") == looked_at


def predicted(page: str) -> str:
    """The words of the table of predictions."""
    table = re.search('<table class="predictions">(.*?)</table>.*?</p>', page, re.DOTALL)
    return " ".join(re.sub("<[^>]*>", " ", table[0]).split()) if table else ""


def test_a_cd_is_received_image_by_image(client: httpx2.Client) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("DICOMDIR", b"index")
        archive.writestr("../../out.dcm", dicom(412, 0.4))
        archive.writestr("DICOM/0002", dicom(413, 0.6))
        archive.writestr("README.TXT", "no image")
    answer = look(client, packed.getvalue(), keep="true")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/look?kept=2&refused=1"
    assert "2 images were received, 1 file was not an image" in client.get(answer.headers["location"]).text


def test_the_only_image_of_a_zip_file_is_looked_at(client: httpx2.Client) -> None:
    one, two, none = (io.BytesIO() for _ in range(3))
    for packed, names in ((one, ["CD/DICOMDIR", "CD/1"]), (two, ["1", "2"]), (none, ["DICOMDIR"])):
        with zipfile.ZipFile(packed, "w") as made:
            made.writestr("README.TXT", "Start the viewer with VIEWER.EXE.")
            made.writestr("more.zip", b"PK\x05\x06" + bytes(18))
            for name in names:
                made.writestr(name, dicom(416, 0.4))
    page = look(client, one.getvalue())
    assert (page.status_code, '<article class="one-page' in page.text) == (200, True)
    for packed, fault in (
        (two, "Tick “Keep” to receive the files of the ZIP file"),
        (none, "The ZIP file has no image."),
    ):
        answer = look(client, packed.getvalue())
        assert (answer.status_code, fault in answer.text) == (422, True)


def test_a_folder_is_received_only_when_asked_and_image_by_image(client: httpx2.Client) -> None:
    cd = {"CD/DICOMDIR": b"index", "CD/1": dicom(414, 0.4), "CD/2": dicom(415, 0.6), "CD/a.zip": b"PK\x03\x04 nothing"}
    refused = send_folder(client, cd)
    assert refused.status_code == 422
    assert "Tick “Keep” to receive these 4 files" in refused.text
    answer = send_folder(client, cd, keep="true")
    assert answer.headers["location"] == "/look?kept=2&refused=2"
    assert "Choose a file first" in send_folder(client, {}).text


def send_folder(client: httpx2.Client, folder: dict[str, bytes], **fields: str) -> httpx2.Response:
    """As browsers do: an input without a file comes as a part whose file name is empty."""
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/look").text)
    texts = {**fields, **({"csrf": token[1]} if token else {})}
    heads = [(f'name="{name}"', text.encode()) for name, text in texts.items()]
    heads += [('name="file"; filename=""', b"")]
    heads += [(f'name="folder"; filename="{name}"', data) for name, data in folder.items()]
    parts = [
        f"--end\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n" for head, data in heads
    ]
    headers = {"origin": str(client.base_url).rstrip("/"), "content-type": "multipart/form-data; boundary=end"}
    return client.post("/look", content=b"".join(parts) + b"--end--\r\n", headers=headers)


def test_what_is_no_image_and_forged_requests_are_refused(client: httpx2.Client) -> None:
    answer = look(client, b"no image at all")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    forged = client.post("/look", files={"file": ("a", picture(90))}, headers={"origin": "http://elsewhere.example"})
    assert forged.status_code == 403
    without = client.post(
        "/look", files={"file": ("a", picture(90))}, headers={"origin": str(client.base_url).rstrip("/")}
    )
    assert without.status_code == 403


def limits(**changes: int) -> WebSettings:
    return load_settings(web=changes).web


def archive(tmp_path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return tmp_path / "a.zip"


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"max_archive_members": 2}, "max_archive_members"), ({"max_archive_bytes": 150}, "max_archive_bytes"),
     ({"max_archive_ratio": 2}, "max_archive_ratio")],
)  # fmt: skip
def test_archives_beyond_a_limit_are_refused(tmp_path: Path, changes: dict[str, int], message: str) -> None:
    path = archive(tmp_path, a=b"\0" * 100, b=b"\0" * 100, c=b"\0" * 100)
    assert [p.stat().st_size for p in members(path, tmp_path / "all", limits())] == [100] * 3
    with pytest.raises(ArchiveError, match=message):
        list(members(path, tmp_path / "some", limits(**changes)))


def test_a_member_without_a_name_is_read_and_one_whose_name_is_no_text_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "nameless.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(zipfile.ZipInfo(""), b"image")
    [member] = members(path, tmp_path / "nameless", limits())
    assert member.read_bytes() == b"image"

    path = archive(tmp_path, ü=b"image")
    path.write_bytes(path.read_bytes().replace("ü".encode(), b"\xff\xfe"))
    with pytest.raises(ArchiveError, match="damaged"):
        list(members(path, tmp_path / "no text", limits()))


def test_a_damaged_archive_and_a_plain_file(tmp_path: Path) -> None:
    path = archive(tmp_path, a=bytes(range(256)) * 40)
    data = bytearray(path.read_bytes())
    data[60:70] = b"\xff" * 10
    path.write_bytes(bytes(data))
    with pytest.raises(ArchiveError, match="damaged"):
        list(members(path, tmp_path / "out", limits()))
    plain = tmp_path / "plain"
    plain.write_bytes(b"x")
    assert list(members(plain, tmp_path / "no", limits())) == [plain]
    assert not (tmp_path / "no").exists()


@pytest.mark.more
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_whatever_is_damaged_in_an_archive_is_an_error_with_words(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as made:
        made.writestr("a", bytes(range(256)) * 40)
    good = (tmp_path / "a.zip").read_bytes()
    count = 0
    for at in range(len(good)):
        path = tmp_path / f"{at}.zip"
        path.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        try:
            list(members(path, tmp_path / f"out{at}", limits()))
        except ArchiveError:
            count += 1
    assert count > 100
