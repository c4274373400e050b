"""How far a trained model's next-token distributions are from its base model's."""

from __future__ import annotations

import torch
from torch import nn

from accord.errors import ModelError
from accord.model.fusion import knowing
from accord.model.knowledge_model import KnowledgeModel
from accord.model.load import adapter_off, load_base, output_weights, run_all
from accord.progress import track
from accord.text.collate import token_windows, tokens
from accord.text.examples import Sequence
from accord.train.setup import own_continuations

ROWS = 256


class BaseComparison:
    """A model beside the one it came from.

    Args:
        model: A run's model, or a base model: that is compared with itself.
    """

    def __init__(self, model: KnowledgeModel) -> None:
        self.model = model

    @torch.no_grad()
    def kl_on_own_texts(self, count: int, size: int, seed: int) -> float:
        """KL(base || model) on what the base model writes from nothing.

        Args:
            count: How many texts.
            size: Tokens of each.
            seed: Of the sampling.

        Returns:
            Mean over tokens, nats; 0.0 without training.
        """
        if self._is_base():
            return 0.0
        with adapter_off(self.model.lm):
            written = own_continuations(self.model, count, size, seed)
        return self._mean_kl(written)

    @torch.no_grad()
    def kl_on(self, texts: list[str]) -> float:
        """KL(base || model) on given texts; longer than the model's context, in windows of that.

        Returns:
            Mean over tokens, nats; 0.0 without training.
        """
        if self._is_base():
            return 0.0
        every = [tokens(self.model.tokenizer, text) for text in texts]
        limit = self.model.longest
        return self._mean_kl([(part,) for ids in every for part in token_windows(ids, limit)])

    def _mean_kl(self, sequences: list[Sequence]) -> float:
        base = self._base()
        total, count = 0.0, 0
        with track("comparing with the base model", len(sequences), "texts") as advance:
            for sequence in sequences:
                ids = [token for segment in sequence for token in segment]
                if len(ids) > 1:
                    total += self._kl_sum(base, ids)
                    count += len(ids) - 1
                advance(1)
        if not count:
            raise ModelError("no text of two tokens or more to compare on", "give a longer text")
        return max(0.0, total / count)

    def _is_base(self) -> bool:
        return self.model.config.adapter == "none" and self.model.fusion is None

    def _base(self) -> nn.Module | None:
        """The base as a model of its own where it is not inside the trained one."""
        if self.model.config.adapter == "lora":
            return None
        dtype = next(self.model.lm.parameters()).dtype
        return load_base(self.model.config.name, dtype, self.model.device)[0]

    def _kl_sum(self, base: nn.Module | None, ids: list[int]) -> float:
        read = torch.tensor([ids], device=self.model.device)
        with knowing(self.model.lm, [tuple(ids)]):
            ours = run_all(self.model.lm, read, None)[0, :-1]  # (L - 1, D)
        if base is None:
            with adapter_off(self.model.lm):
                theirs = run_all(self.model.lm, read, None)[0, :-1]
        else:
            theirs = run_all(base, read, None)[0, :-1]
        head = output_weights(self.model.lm)
        base_head = head if base is None else output_weights(base)
        return sum(
            kl_sum(_logs(base_head, theirs[i : i + ROWS]), _logs(head, ours[i : i + ROWS]))
            for i in range(0, len(ours), ROWS)
        )


def kl_sum(base: torch.Tensor, model: torch.Tensor) -> float:
    """Sum of KL(base || model) over rows.

    Args:
        base: (N, V) log-probabilities.
        model: (N, V) log-probabilities.

    Returns:
        Nats.
    """
    return float((base.exp() * (base - model)).sum())


def _logs(head: nn.Module, hidden: torch.Tensor) -> torch.Tensor:
    logits = head(hidden.to(next(head.parameters()).dtype))
    return torch.log_softmax(logits.float(), dim=-1)
