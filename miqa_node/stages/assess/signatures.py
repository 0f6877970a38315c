"""Signatures of packages: who vouches for a package, and whether the settings let it judge.

A signature is a signed document (core/keys/signing.py) with the package's name and the SHA-256 of each of its
files. That of a folder lies in it, that of a bare file beside it.
"""

from __future__ import annotations

import json
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import structlog

from miqa_node.core.keys.signing import Signer, read_signed, verify
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import AssessSettings, share_dir
from miqa_node.errors import ModelPackageError, SignatureError
from miqa_node.stages.assess.card import CARD_NAME, SIGNATURE_NAME, BaseCard, read_sections
from miqa_node.stages.assess.package_checks import check_files, check_name, package_label, sha256_of

log = structlog.get_logger(__name__)

PURPOSE = "model package"
"""Part of the signed document, so no other document signed with the same key can pass as a signature."""
UNSIGNED = Phrase("is not signed")
UNKNOWN_SIGNER = Phrase("is signed with a key that is not in trusted_keys")


class PackageOrigin(StrEnum):
    """Who vouches for a package."""

    SHIPPED = "shipped"
    """The package is in the folder of the installed node; anyone who can write there can change the program."""
    TRUSTED = "trusted"
    """A key of ``assess.trusted_keys`` signed it."""
    UNKNOWN = "unknown key"
    """Unchanged since it was signed, but the key is not trusted here."""
    UNSIGNED = "unsigned"


def sign_package(path: Path, signer: Signer) -> Path:
    """Sign the package in its current state; return the path of the signature."""
    target = signature_path(path)
    target.write_text(json.dumps(signer.sign(_contents(path)), ensure_ascii=False, indent=1) + "\n", "utf-8")
    target.chmod(0o644)  # the nodes that use the package run as other users
    return target


def origin_of(path: Path, trusted_keys: tuple[str, ...]) -> PackageOrigin:
    """Who vouches for the package.

    Raises
    ------
    ModelPackageError
        There is a signature, but the package or the signature has changed since.
    """
    signature = signature_path(path)
    if not signature.exists():
        return (
            PackageOrigin.SHIPPED if path.parent.resolve() == share_dir("models").resolve() else PackageOrigin.UNSIGNED
        )
    try:
        signed = read_signed(signature)
        claimed = str(signed.get("public_key"))
        document = verify(signed, claimed)
    except SignatureError as error:
        raise ModelPackageError(
            "{path}: {signature} is not a valid signature: {error}",
            path=path.name,
            signature=signature.name,
            error=error,
        ) from error
    if document != _contents(path):
        raise ModelPackageError(
            "{path}: the package is not the one that was signed; restore it, or sign it again.", path=path.name
        )
    return PackageOrigin.TRUSTED if claimed in trusted_keys else PackageOrigin.UNKNOWN


def check_folder(folder: Path, card: BaseCard, settings: AssessSettings) -> None:
    """Refuse a package with a missing or altered file, from an unknown origin, or in a folder of another name."""
    check_files(folder, card)
    check_origin(folder, settings)
    check_name(folder, card)


def check_origin(path: Path, settings: AssessSettings) -> None:
    """Refuse a package that nobody vouches for, unless the settings let it judge.

    Raises
    ------
    ModelPackageError
        The package has changed since it was signed, or no trusted key signed it and the settings require one.
    """
    origin = origin_of(path, settings.trusted_keys)
    if origin in (PackageOrigin.SHIPPED, PackageOrigin.TRUSTED):
        return
    state = UNSIGNED if origin is PackageOrigin.UNSIGNED else UNKNOWN_SIGNER
    if settings.require_signatures:
        raise ModelPackageError(
            "{path} {state}, and assess.require_signatures is true: add the signer's public key to "
            "assess.trusted_keys, or vouch for the package yourself (miqa-node models sign).",
            path=path.name,
            state=state,
        )
    _warn(package_label(path), state)


def signature_path(path: Path) -> Path:
    """Path of the signature of a package."""
    return path / SIGNATURE_NAME if path.is_dir() else path.with_name(f"{path.name}.{SIGNATURE_NAME}")


@cache
def _warn(label: str, state: str) -> None:
    """Once for each package and process."""
    log.warning("package judges though no trusted key signed it", package=label, reason=f"it {state}")


def _contents(path: Path) -> dict[str, Any]:
    folder = path if path.is_dir() else path.parent
    try:
        names = (CARD_NAME, *read_sections(path).get("files", {})) if path.is_dir() else (path.name,)
        files = {name: sha256_of(folder / name) for name in names}
    except (OSError, TypeError) as error:
        raise ModelPackageError("{path}: a file that its card lists cannot be read.", path=path.name) from error
    return {"purpose": PURPOSE, "package": package_label(path), "files": files}
