"""What is kept of a password, and which may be chosen."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from miqa_node.errors import AccessError
from miqa_node.features.accounts.page.sign_in import passwords


@pytest.mark.parametrize("password", ["short", "x" * 257, "aaaaaaaaaaaaaaaa", "mara-mara-2026!", "MARA is my name 1"])
def test_bad_choices(password: str) -> None:
    with pytest.raises(AccessError):
        passwords.check_new(password, "mara", 12)


def test_good_choices() -> None:
    for password in ("correct horse battery staple", "Grüße aus Köln 2026", "x9$" * 4 + "qwe"):
        passwords.check_new(password, "mara", 12)


@pytest.mark.more
def test_the_hash_is_argon2id_with_the_parameters_of_rfc_9106(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher())
    record = passwords.hash_password("a long sentence")
    result = extract_parameters(record)

    # RFC 9106 section 4, the second recommendation: 3 passes over 64 MiB with 4 lanes, 128-bit salt, 256-bit tag.
    assert (result.type, result.time_cost, result.memory_cost, result.parallelism) == (Type.ID, 3, 64 * 1024, 4)
    assert (result.salt_len, result.hash_len) == (16, 32)
    assert passwords.matches(record, "a long sentence")
    assert not passwords.matches(record, "another sentence")
    assert passwords.hash_password("a long sentence") != record
    assert extract_parameters(passwords._NOBODYS) == result, "an account that is not there costs the same time"
    assert not passwords.is_outdated(record)


@pytest.mark.more
@pytest.mark.parametrize("record", ["", "nonsense", "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$x"])
def test_nothing_matches_an_account_without_a_hash(record: str) -> None:
    assert not passwords.matches(record, "")
    assert not passwords.matches(record, "the password of nobody")
