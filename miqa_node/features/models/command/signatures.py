"""``miqa-node models sign`` and ``verify``: vouch for a package, and see who vouches for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from miqa_node.core.keys.signing import KEY_FILE, Signer
from miqa_node.errors import ModelPackageError, NotFoundError
from miqa_node.features.models.command.choice import PackageName
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import Column, print_json, print_line, print_table
from miqa_node.stages.assess.package_checks import check_files, package_label
from miqa_node.stages.assess.package_files import package_folders, package_of_name, places
from miqa_node.stages.assess.sidecars import read_any_card
from miqa_node.stages.assess.signatures import PackageOrigin, origin_of, sign_package


def sign(
    name: PackageName,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="PEM file of an Ed25519 key; default is the node's own."),
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Sign a package as it is now; nodes with the printed public key in assess.trusted_keys then trust it.

    A key that does not exist is made. Keep it away from the nodes that use the package.
    """
    settings = settings_of(config, data_dir)
    quiet_logs(settings)

    path = package_of_name(settings.model_folders, name)
    if path.is_dir():
        check_files(path, read_any_card(path))
    if key is None:
        settings.node.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    signer = Signer.open(key or settings.node.data_dir / KEY_FILE)
    print_line(f"signed: {sign_package(path, signer)}")
    print_line(f'assess.trusted_keys = ["{signer.public_key}"]')


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME-VERSION]...", help="Default is every package.")
    ] = None,
    public_key: Annotated[
        str, typer.Option("--public-key", metavar="BASE64", help="Trust this key instead of assess.trusted_keys.")
    ] = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Say who vouches for each package. Exit code 1: one was changed, or nobody trusted vouches for it."""
    settings = settings_of(config)
    quiet_logs(settings)

    keys = (public_key,) if public_key else settings.assess.trusted_keys
    folders = settings.model_folders
    paths = [package_of_name(folders, name) for name in names or ()] or package_folders(folders)
    if not paths:
        raise NotFoundError(f"There are no model packages in {places(folders)}.")
    rows = [_row(path, keys) for path in paths]
    if as_json:
        print_json(rows)
    else:
        table = (("ok" if row["ok"] else "fail", str(row["package"]), str(row["origin"])) for row in rows)
        print_table(("", Column("Package", whole=True), "Signature"), table)
    if not all(row["ok"] for row in rows):
        raise typer.Exit(Exit.FAILED)


def _row(path: Path, keys: tuple[str, ...]) -> dict[str, object]:
    try:
        origin = origin_of(path, keys)
    except ModelPackageError as error:
        return {"package": package_label(path), "ok": False, "origin": str(error)}
    ok = origin in (PackageOrigin.SHIPPED, PackageOrigin.TRUSTED)
    return {"package": package_label(path), "ok": ok, "origin": origin.value}
