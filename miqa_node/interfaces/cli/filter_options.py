"""Options that are the fields of a filter, so that a command filters as pages and the REST interface do."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from types import GenericAlias
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from miqa_node.core.wrong_values import what_is_wrong
from miqa_node.interfaces.web.values import FORMS

RunCommand = Callable[..., None]


def filtered_by(model: type[BaseModel], **metavars: str) -> Callable[[RunCommand], RunCommand]:
    """Give a command an option for each of these fields of a filter, in the place of its parameter ``criteria``.

    Help and limits are the filter's; ``metavars`` are what stands for the value, empty for a flag. Fields that people
    write in another way here, such as a time as ``7d``, are options of the command itself.
    """

    def with_options(command: RunCommand) -> RunCommand:
        def run(**values: Any) -> None:
            fields = {name: values.pop(name) for name in metavars}
            command(criteria=_read(model, fields), **values)

        options = [_option(name, model.model_fields[name], metavar) for name, metavar in metavars.items()]
        parameters: list[Parameter] = []
        for name, parameter in signature(command, eval_str=True).parameters.items():
            parameters += options if name == "criteria" else [parameter]
        run.__dict__["__signature__"] = signature(command).replace(parameters=parameters)
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        run.__doc__ = command.__doc__
        return run

    return with_options


def _option(name: str, field: FieldInfo, metavar: str) -> Parameter:
    flag = f"--{name.replace('_', '-')}"
    words: dict[str, Any] = {"metavar": metavar or None, "help": field.description}
    kind: Any = field.annotation
    default = field.default
    if get_origin(kind) is tuple:
        kind, default, words["case_sensitive"] = GenericAlias(list, get_args(kind)[:1]) | None, None, False
    return Parameter(
        name, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=Annotated[kind, typer.Option(flag, **words)]
    )


def _read(model: type[BaseModel], fields: dict[str, Any]) -> BaseModel:
    try:
        return model(**{name: value for name, value in fields.items() if value})
    except ValidationError as error:
        wrong = error.errors()[0]
        hint = f"--{str(wrong['loc'][0]).replace('_', '-')}"
        raise typer.BadParameter(what_is_wrong(wrong, forms=FORMS), param_hint=hint) from None
