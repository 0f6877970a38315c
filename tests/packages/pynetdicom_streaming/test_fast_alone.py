"""pynetdicom-streaming stands by itself: nothing else of the project is imported, and its README is right."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from miqa_node.libraries import pynetdicom_streaming

FOLDER = Path(pynetdicom_streaming.__file__).parent.resolve()
CLIENT = """
import os
import pathlib
import pydicom
from pynetdicom import AE
scu = AE()
ds = pydicom.dcmread(SOURCE)
scu.add_requested_context(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID)
association = scu.associate("127.0.0.1", server.server_address[1])
assert association.send_c_store(ds).Status == 0x0000
association.release()
assert pathlib.Path(f"{ds.SOPInstanceUID}.part").stat().st_size > 30_000
os._exit(0)
"""


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_it_imports_pynetdicom_and_the_standard_library_only(path: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imported.add(node.module or "")
    foreign = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names | {"pynetdicom"}}
    assert foreign == set()


@pytest.mark.more
def test_the_example_in_the_readme_receives_an_object(tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(.*?)```", (FOLDER.parent / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    served = 'server = ae.make_server(("127.0.0.1", 0), request_handler=handler)\n'
    served += "    import threading; threading.Thread(target=server.serve_forever, daemon=True).start()"
    code = re.sub(r"ae\.make_server\(.*", lambda _: served, example)
    assert code != example
    code += CLIENT.replace("SOURCE", repr(str(get_testdata_file("CT_small.dcm"))))
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(FOLDER.parent)},
    )
