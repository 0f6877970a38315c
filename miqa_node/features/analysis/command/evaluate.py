"""``miqa-node evaluate``: the figures of a model package. All but feedback comes with miqa-node-training."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from miqa_node.errors import ResourcesError
from miqa_node.features.analysis.command.evaluate_feedback import feedback
from miqa_node.interfaces.cli.elsewhere import ELSEWHERE


class _ReportByDefault(TyperGroup):
    """``evaluate PACKAGE …`` means ``evaluate report PACKAGE …``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help", "-h"}:
            if "report" not in self.commands:
                raise ResourcesError(ELSEWHERE["evaluate report"])
            args = ["report", *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


app = typer.Typer(
    cls=_ReportByDefault,
    no_args_is_help=True,
    help='Measure a package. "report" may be omitted: miqa-node evaluate PACKAGE --data DIR.',
)


app.command()(feedback)
