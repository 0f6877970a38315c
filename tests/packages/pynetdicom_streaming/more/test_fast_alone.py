"""pynetdicom-streaming stands by itself: nothing else of the project is imported, and its README is right."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from pydicom.data import get_testdata_file

from tests.packages.pynetdicom_streaming.test_fast_alone import FOLDER

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
