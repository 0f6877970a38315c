"""``python -m demo.site``: make the site unless it is there, and print where it lies."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext

from demo.progress import doing
from demo.site.kept import MOST_MB, SIZES, made, megabytes, place_of


def main() -> int:
    """Return 1 if it takes more room than it may."""
    parser = argparse.ArgumentParser(prog="python -m demo.site", description=__doc__)
    parser.add_argument("--size", choices=[*SIZES], default="busy")
    size = parser.parse_args().size
    with nullcontext() if place_of(size).exists() else doing(f"A node judges {SIZES[size][0]} exposures of two months"):
        place = made(size)
    sys.stdout.write(f"{place} ({megabytes(place):.0f} MB)\n")
    return int(megabytes(place) > MOST_MB)


if __name__ == "__main__":
    sys.exit(main())
