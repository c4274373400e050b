"""What scores the choices of a run: its likelihoods, or an encoder's trained head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from accord.errors import ConfigError, ModelError
from accord.evaluate.choice import ScoringModel
from accord.evaluate.extractor import READ_TOKENS, head_of
from accord.evaluate.protocol import Float64
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import OBJECTIVES, load_model, model_folder, read_weights
from accord.model.span_heads import label_logits, text_features
from accord.progress import track
from accord.text.collate import chunks_by_length, tokens
from accord.text.examples import Sequence, length


@dataclass(frozen=True)
class ChoiceHead:
    """An encoder that has learnt which choice is right."""

    model: KnowledgeModel
    head: nn.ParameterDict

    @torch.no_grad()
    def score_continuations(self, prompts: list[str], continuations: list[str]) -> Float64:
        """(N,) scores of continuations, each read with its prompt; comparable within an item only.

        Raises:
            ModelError: Prompt and continuation are longer than the encoder reads.
        """
        tokenizer = self.model.tokenizer
        pairs = zip(prompts, continuations, strict=True)
        texts: list[Sequence] = [(tokens(tokenizer, a), tokens(tokenizer, b)) for a, b in pairs]
        lengths: npt.NDArray[np.int64] = np.array([length(text) for text in texts], dtype=np.int64)
        longest = self.model.longest
        if longest and lengths.max(initial=0) > longest:
            raise ModelError(
                f"a question with its choice has {lengths.max()} tokens, the encoder reads "
                f"{longest}",
                "leave such items out",
            )
        found = np.zeros(len(texts))
        ends = self.model.reader.ends(lengths)  # (N, P)
        with track("scoring", len(texts), "choices") as advance:
            for group in chunks_by_length(lengths, READ_TOKENS):
                rows = np.repeat(np.arange(len(group)), ends.shape[1])
                some = [texts[i] for i in group]
                states = self.model.reader.states_at(some, rows, ends[group].reshape(-1))
                logits = label_logits(self.head, text_features(states, len(group)))
                found[group] = logits[:, 0].cpu().numpy()
                advance(len(group))
        return found


def choosing_model(run: str | Path) -> ScoringModel:
    """A run or base model as `accord eval choice` measures it.

    Args:
        run: Run folder or base model's name.

    Returns:
        A causal model scores by likelihood, an encoder by the head that its run trained.

    Raises:
        ConfigError: An encoder that has not learnt choices.
    """
    model = load_model(run)
    if model.reader.causal:
        return model
    folder = model_folder(run)
    head = head_of(read_weights(folder / OBJECTIVES) if folder else {}, "choice", model.device)
    if not len(head):
        raise ConfigError(
            f"{str(run)!r} is an encoder that has not learnt to choose",
            "train one: accord train kelm-choice --graph GRAPH --data SET --out RUN",
        )
    return ChoiceHead(model, head)
