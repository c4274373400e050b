"""Runs that an act trains: begun, gone on with, or read where they are finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accord.errors import ConfigError

if TYPE_CHECKING:
    from accord.train.recipe import Recipe


def trained(
    run: Path,
    recipe: str,
    graph: Path,
    overrides: Sequence[str],
    model: Path | None = None,
    qa: Path | None = None,
) -> dict[str, Any]:
    """Trains a run to its end; a finished one is read, a begun one goes on.

    Args:
        run: The run folder.
        recipe: The recipe.
        graph: The graph's folder.
        overrides: `key=value` settings over the recipe.
        model: A finished run to start from; None takes the recipe's base model.
        qa: Questions to learn, where the recipe learns from some.

    Returns:
        What `accord train --json` says.

    Raises:
        ConfigError: The folder holds a run with other settings.
        AccordError: As of `train_run`.
    """
    from accord.api import finished_run, train_run

    start = None if model is None else str(model)
    check_settings(run, recipe, overrides, start)
    done = finished_run(run)
    if done is not None:
        return done.to_dict()
    if (run / "config.toml").is_file():
        return train_run(recipe, graph, run, resume=True).to_dict()
    return train_run(recipe, graph, run, start, overrides, qa=qa).to_dict()


def check_settings(
    run: Path, recipe: str, overrides: Sequence[str], model: str | None = None
) -> None:
    """Makes sure that a run, if there is one, was made with these settings.

    Raises:
        ConfigError: It was made with others.
    """
    from accord.config import load_config
    from accord.train.recipe import Recipe
    from accord.train.start import settings_of

    known = run / "config.toml"
    if not known.is_file():
        return
    begun, wanted = load_config(Recipe, known), settings_of(recipe, model, overrides)
    if _placeless(begun) != _placeless(wanted):
        raise ConfigError(
            f"{run} was made with other settings than this demo's ({' '.join(overrides)})",
            "choose another --out, or give the --seed that it was made with",
        )


def _placeless(recipe: Recipe) -> Recipe:
    """Without where states were copied from: a folder that was moved holds the same run."""
    return replace(recipe, loop=replace(recipe.loop, cache_from=()))
