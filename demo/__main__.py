"""``python -m demo``: says that it loads the program, which may take long, and loads it."""

from __future__ import annotations

import sys
from importlib import import_module

from demo.progress import doing

if __name__ == "__main__":
    with doing("Loading the program, which Python compiles the first time"):
        serving = import_module("demo.serving")
    sys.exit(serving.main())
