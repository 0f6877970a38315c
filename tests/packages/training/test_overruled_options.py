"""Options that another one overrules say so; those that nobody gave say nothing."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import structlog
import typer
from typer.testing import CliRunner

from miqa_training.classifier import fit as classifier_fit
from miqa_training.classifier.fit import ClassifierRecipe
from miqa_training.commands.extras import say_overruled

app = typer.Typer()


@app.command()
def run(ctx: typer.Context, minutes: float = 76.0, steps: int | None = None, learning_rate: float = 0.1) -> None:
    if steps is not None:
        say_overruled(ctx, "--steps", "minutes", "learning_rate")
    assert minutes
    assert learning_rate


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--steps", "5"], ""),
        (["--minutes", "3"], ""),
        (["--steps", "5", "--minutes", "3"], "miqa-node: --minutes has no effect: --steps decides.\n"),
        (["--learning-rate", "0.2", "--steps", "5"], "miqa-node: --learning-rate has no effect: --steps decides.\n"),
    ],
)
def test_what_has_no_effect_is_named(options: list[str], text: str) -> None:
    ran = CliRunner().invoke(app, options)
    assert (ran.exit_code, ran.stderr) == (0, text)


def test_more_epochs_than_asked_for_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    monkeypatch.setattr(classifier_fit, "fit_classifier", lambda *_args, **_more: None)
    with structlog.testing.capture_logs() as lines:
        for number, epochs in ((64, 2), (64, 100)):
            pictures = np.zeros((number, 8, 8), np.uint8)
            recipe = ClassifierRecipe(epochs=epochs)
            classifier_fit.fit(None, pictures, [0, 1] * (number // 2), recipe, starts_trained=False)  # type: ignore[arg-type]
    assert [(line["epochs"], line["steps"]) for line in lines] == [(75.0, 150)]
