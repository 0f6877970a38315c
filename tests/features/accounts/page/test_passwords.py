"""What is kept of a password, and which may be chosen."""

from __future__ import annotations

import pytest

from miqa_node.errors import AccessError
from miqa_node.features.accounts.page.sign_in import passwords


@pytest.mark.parametrize("password", ["short", "x" * 257, "aaaaaaaaaaaaaaaa", "mara-mara-2026!", "MARA is my name 1"])
def test_bad_choices(password: str) -> None:
    with pytest.raises(AccessError):
        passwords.check_new(password, "mara", 12)


def test_good_choices() -> None:
    for password in ("correct horse battery staple", "Grüße aus Köln 2026", "x9$" * 4 + "qwe"):
        passwords.check_new(password, "mara", 12)
