"""Structured inputs for the targets: files of the corpus with lengths, tags, words and whole parts changed."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.fuzz.seeds import CORPUS

WORDS = (
    # Lengths and counts at their limits, in either byte order; undefined length; item delimiters.
    b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x80", b"\xff\xff", b"\x00\x00",
    b"\x00" * 8, b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0", b"\x01\x00", b"\x40\x42\x0f\x00",
    # VRs, UIDs, encodings.
    b"SQ", b"UN", b"OB", b"OW", b"UC", b"1.2.840.10008.1.2.1.99\x00", b"1.2.840.10008.1.2.4.90", b"\\", b"ISO_IR 192",
    # JPEG and JPEG 2000 markers.
    b"\xff\xd8", b"\xff\xd9", b"\xff\xc0", b"\xff\xda", b"\xff\x4f\xff\x51", b"\xff\x93",
    # Text: tables, lists, dates, anchors, aliases, paths, boundaries.
    b"[", b"]]", b"[[", b"\n", b"=", b'"', b"'''", b"{", b"&a", b"*a", b"!!python/object", b"../", b"--fuzz",
    b"--fuzz--", b"1e309", b"-1", b"nan", b"9" * 40, b"true", b"2026-13-40", b"\xc3\x28", "é".encode(), b"\x1b",
    b"PK\x03\x04", b"PK\x05\x06",
)  # fmt: skip
PLACES = st.floats(0, 1, exclude_max=True)
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), PLACES, st.sampled_from(WORDS) | st.binary(min_size=1, max_size=4)),
        st.tuples(st.just("insert"), PLACES, st.sampled_from(WORDS) | st.binary(min_size=1, max_size=16)),
        st.tuples(st.just("remove"), PLACES, st.integers(1, 64)),
        st.tuples(st.just("repeat"), PLACES, st.integers(1, 64)),
        st.tuples(st.just("cut"), PLACES, st.just(0)),
        st.tuples(st.just("flip"), PLACES, st.integers(0, 7)),
    ),
    max_size=6,
)


def inputs(target: str) -> st.SearchStrategy[bytes]:
    """Inputs for a target: mostly changed files of its corpus, sometimes any bytes, sometimes two files in one."""
    seeds = [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]
    changed = st.builds(mutate, st.sampled_from(seeds), EDITS)
    spliced = st.builds(splice, st.sampled_from(seeds), st.sampled_from(seeds), PLACES, PLACES)
    return st.one_of(changed, changed, changed, spliced, st.binary(max_size=300))


def mutate(seed: bytes, edits: list[tuple[str, float, bytes | int]]) -> bytes:
    """The file with each edit made in turn; places are fractions of its length.

    >>> mutate(b"abcd", [("cut", 0.5, 0)]), mutate(b"abcd", [("insert", 0.5, b"--")])
    (b'ab', b'ab--cd')
    """
    data = bytearray(seed)
    for kind, place, what in edits:
        at = int(place * len(data))
        if isinstance(what, bytes):
            data[at : at + (len(what) if kind == "write" else 0)] = what
        elif kind == "remove":
            del data[at : at + what]
        elif kind == "repeat":
            data[at:at] = data[at : at + what] * 3
        elif kind == "cut":
            del data[at:]
        elif data:
            data[at] ^= 1 << what
    return bytes(data)


def splice(one: bytes, other: bytes, at: float, of: float) -> bytes:
    """The beginning of one file and the end of another."""
    return one[: int(at * len(one))] + other[int(of * len(other)) :]
