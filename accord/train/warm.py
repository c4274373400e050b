"""The maps after pooling are trained alone first, on states that are read once.

While the layers stand still, a text's state does not change, so a step costs two matrix products
in place of a reading: hundreds of steps take seconds. The layers then move from good maps, not
from random ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator

from accord.model.knowledge_model import KnowledgeModel
from accord.model.reading import Reader
from accord.progress import say
from accord.text.collate import chunks_by_length
from accord.text.examples import Sequence, length
from accord.train.checkpoint import RunFolder
from accord.train.loop import Loop, Progress
from accord.train.recipe import Recipe
from accord.train.setup import Weighted

FOLDER = "maps"
Place = tuple[Sequence, int]


class StandingReader:
    """Reads each text once and keeps the states asked for; nothing gets gradient.

    Args:
        reader: The model's own reader.
        budget: Padded tokens read at once.
    """

    def __init__(self, reader: Reader, budget: int) -> None:
        self.reader = reader
        self.budget = budget
        self.kept: dict[Place, torch.Tensor] = {}

    @torch.no_grad()
    def states_at(
        self,
        sequences: list[Sequence],
        rows: npt.NDArray[np.int64],
        positions: npt.NDArray[np.int64],
    ) -> torch.Tensor:
        """As `Reader.states_at`."""
        asked = [(sequences[r], p) for r, p in zip(rows.tolist(), positions.tolist(), strict=True)]
        missing = [place for place in dict.fromkeys(asked) if place not in self.kept]
        lengths = np.array([length(sequence) for sequence, _ in missing], dtype=np.int64)
        for group in chunks_by_length(lengths, self.budget):
            places = [missing[i] for i in group]
            at = np.array([position for _, position in places], dtype=np.int64)
            states = self.reader.states_at([s for s, _ in places], np.arange(len(at)), at)
            self.kept.update(zip(places, states.float(), strict=True))
        return torch.stack([self.kept[place] for place in asked])


@contextmanager
def standing(model: KnowledgeModel, budget: int) -> Iterator[None]:
    """The model reads each text once within; its layers must not change."""
    own = model.reader
    model.reader = StandingReader(own, budget)  # type: ignore[assignment]
    try:
        yield
    finally:
        model.reader = own


def warm_maps(
    recipe: Recipe,
    model: KnowledgeModel,
    objectives: Weighted,
    run: RunFolder,
    accelerator: Accelerator,
    resume: bool = False,
) -> Progress:
    """Trains the maps of the contrastive objective while the layers stand still.

    Args:
        recipe: The recipe; nothing is done with loop.map_steps=0 or without maps.
        model: The model; its maps are trained in place.
        objectives: The run's objectives; only the contrastive one is used.
        run: The run; log and checkpoint go into a folder of it.
        accelerator: Of the run.
        resume: Go on from the newest checkpoint.

    Returns:
        Steps and seconds spent.
    """
    contrastive = [(o, weight) for o, weight in objectives if o.name == "contrastive"]
    if not (recipe.loop.map_steps and contrastive and recipe.model.projection):
        return Progress()
    say(f"training the maps alone for {recipe.loop.map_steps} steps")
    config = replace(
        recipe.loop,
        steps=recipe.loop.map_steps,
        learning_rate=recipe.loop.map_learning_rate,
        log_every=max(recipe.loop.log_every, recipe.loop.map_steps // 10),
        validate_every=0,
        accumulation=1,
        trackers=(),
    )
    folder = RunFolder(run.path / FOLDER)
    folder.path.mkdir(parents=True, exist_ok=True)
    with standing(model, recipe.loop.chunk_tokens):
        loop = Loop(model, contrastive, config, folder, recipe.seed, None, accelerator)
        return loop.fit(resume)
