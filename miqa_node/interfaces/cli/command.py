"""The seam ``miqa.commands``: a command gives one line of help, and its module is imported on use."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from miqa_node.core import process
from miqa_node.core.wrong_values import what_is_wrong
from miqa_node.errors import ResourcesError
from miqa_node.interfaces.cli.elsewhere import ELSEWHERE
from miqa_node.interfaces.cli.progress_bar import progress_shown
from miqa_node.plugins import Plugin, Seam, addition


class Heading(StrEnum):
    """Headings of the node's own commands in the list."""

    MAINTAIN = "Run and maintain"
    PEOPLE = "Accounts and patients' data"
    IMAGES = "Images and worklist"
    ROOMS = "Rooms, scanners and phantoms"
    MODELS = "Models"
    STUDIES = "Pilots and reader studies"


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or a group of them; its name is that of the plug-in.

    A name with a dot adds a command to a group: ``evaluate.report`` is ``miqa-node evaluate report``.

    ``target`` is a function with Typer's annotations, a ``typer.Typer``, or ``"module:name"`` of either.
    """

    help: str
    """One line for the list of commands, in the words of the target's own help."""
    target: str | Callable[..., Any] | typer.Typer
    panel: str = ""
    """Heading in the list of commands. Commands of other distributions stand under a heading of their own."""
    extra: str = ""
    """What to install when a module is missing: an extra of the node, or ``miqa-dose[moon]``."""
    hidden: bool = False
    order: int = 100
    """Place in the list of commands, lowest first."""


def listed(row: str) -> Command:
    """A command of the node itself, by its row: ``place | heading and order | help | what to install``.

    >>> listed("miqa_node.features.audit.command.audit:app | people 4 | The audit trail: show.").order
    4
    """
    place, where, text, extra = f"{row} | ".split(" | ")[:4]
    heading, order = where.split()
    return Command(text, place, Heading[heading.upper()], extra, order=int(order))


COMMANDS = Seam("commands", Command, listed)


class CommandGroup(TyperGroup):
    """All commands of the seam; only the one that is used is imported."""

    def __init__(self, **attributes: Any) -> None:
        origins = {plugin.name: plugin for plugin in COMMANDS.plugins() if not plugin.unavailable}
        for name, command in _in_order():
            if "." not in name:
                attributes["commands"][name] = _Entry(name, command, origins[name])
        super().__init__(**attributes)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Resolve as any group does, but return the command itself instead of its entry."""
        for plugin in COMMANDS.plugins():
            if plugin.unavailable and args and plugin.name == args[0] and plugin.name not in self.commands:
                raise ResourcesError(
                    f"The command {plugin.name} of {plugin.distribution} is unavailable: {plugin.unavailable}"
                )
        if args and args[0] in ELSEWHERE and args[0] not in self.commands:
            raise ResourcesError(f"The command {args[0]} is not part of the node. {ELSEWHERE[args[0]]}")
        name, entry, rest = super().resolve_command(ctx, args)
        command = entry.load() if isinstance(entry, _Entry) else entry
        _put_in_words(command, ctx)
        if not gc.isenabled():  # the program's entry point began to load
            process.end_loading()
        return name, command, rest

    def get_params(self, ctx: Any) -> Any:
        """The options of the program itself."""
        return _without_types(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what is wrong with a value is said in words."""
        try:
            with progress_shown(ctx.meta):
                return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = reason_of(error)
            raise


def _in_order() -> list[tuple[str, Command]]:
    return sorted(COMMANDS.all().items(), key=lambda item: item[1].order)


def reason_of(error: typer.BadParameter) -> str:
    """Why a value was refused. Typer reads values with pydantic, whose sentences are for programmers."""
    errors: list[Any] = getattr(error.__cause__, "errors", list)()
    if not errors:
        return error.message
    if errors[0]["type"] == "value_error":
        return error.message.removeprefix("Value error, ")
    return what_is_wrong(errors[0])


def _put_in_words(command: Any, ctx: Any) -> None:
    """Let help show ``--json`` and ``FILE``, not ``--json <bool>`` and ``FILE <path>``, here and below; check texts."""
    for one in _without_types(command.get_params(ctx)):
        if one.callback is None and one.type_descriptor.annotation in (str, list[str]):
            one.callback = _check_text
    for one in getattr(command, "commands", {}).values():
        _put_in_words(one, ctx)


def _check_text(ctx: typer.Context, parameter: Any, value: Any) -> Any:  # noqa: ARG001 - Typer names them
    """The value; typer.BadParameter for bytes that are not UTF-8: allowed in file names, not in text."""
    for text in [value] if isinstance(value, str) else value or ():
        if any("\udc80" <= character <= "\udcff" for character in text):
            raise typer.BadParameter(f"{text!r} is not UTF-8.")
    return value


def _without_types(parameters: list[Any]) -> list[Any]:
    for one in parameters:
        if getattr(one, "is_flag", False) or one.param_type_name == "argument":
            one.display_type_rich = lambda ctx: None  # noqa: ARG005 - Typer names it
    return parameters


def commands_of(path: str, group: Any) -> Iterator[tuple[str, Any]]:
    """The node's own visible commands below a group, groups included, with the words that call each."""
    for name, entry in getattr(group, "commands", {}).items():
        if not entry.hidden and getattr(entry, "built_in", True):
            command = entry.load() if isinstance(entry, _Entry) else entry
            yield f"{path} {name}", command
            yield from commands_of(f"{path} {name}", command)


class _Entry(TyperCommand):
    """The entry of a command in the list of commands."""

    def __init__(self, name: str, command: Command, origin: Plugin) -> None:
        panel = command.panel if origin.built_in else f"Added by {origin.distribution}"
        super().__init__(name, help=command.help, hidden=command.hidden, rich_help_panel=panel)
        self._name, self._command, self.built_in = name, command, origin.built_in

    def load(self) -> Any:
        """The command itself; ResourcesError names the package to install if a module is missing."""
        try:
            target = _resolve(self._command.target)
        except ModuleNotFoundError as error:
            cure = f" Install it: {addition(self._command.extra)}." if self._command.extra else ""
            raise ResourcesError(f"{self._name} needs {error.name}, which is not installed.{cure}") from error
        parent = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
        parent.callback()(lambda: None)
        if isinstance(target, typer.Typer):
            parent.add_typer(target, name=self._name)
        else:
            parent.command(self._name)(target)
        group: Any = get_command(parent)
        command = group.commands[self._name]
        origins = {plugin.name: plugin for plugin in COMMANDS.plugins() if not plugin.unavailable}
        for name, part in _in_order():
            if name.startswith(f"{self._name}."):
                last = name.partition(".")[2]
                command.add_command(_Entry(last, part, origins[name]), last)
        return command

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the command itself: its group calls this entry, which stands in its place."""
        command = self.load()
        _put_in_words(command, parent)
        return command.make_context(info_name, args, parent, **extra)


def _resolve(target: str | Callable[..., Any] | typer.Typer) -> Any:
    if not isinstance(target, str):
        return target
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
