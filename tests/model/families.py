"""Tiny random models of many families, built from their configurations."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.conftest import build_tiny_tokenizer

FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "gemma", "olmoe", "phi", "gpt2")
LAYERS = 4


def family_config(family: str, vocabulary: int) -> Any:
    """The configuration of a model with four layers of width 16."""
    import transformers as tf

    tokens: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    if family == "gpt2":
        return tf.GPT2Config(
            vocab_size=vocabulary, n_embd=16, n_layer=LAYERS, n_head=4, n_positions=128, **tokens
        )
    sizes: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        **tokens,
    }
    more: dict[str, tuple[Any, dict[str, Any]]] = {
        "llama": (tf.LlamaConfig, {"tie_word_embeddings": True}),
        "mistral": (tf.MistralConfig, {"sliding_window": 8}),
        "qwen2": (tf.Qwen2Config, {}),
        "qwen3": (tf.Qwen3Config, {"head_dim": 8}),
        "gemma": (tf.GemmaConfig, {"head_dim": 8}),
        "olmoe": (tf.OlmoeConfig, {"num_experts": 4, "num_experts_per_tok": 2}),
        "phi": (tf.PhiConfig, {}),
    }
    kind, extra = more[family]
    return kind(**sizes, **extra)


@cache
def _tokenizer() -> Any:
    return build_tiny_tokenizer()


def build_family(family: str, seed: int = 0) -> tuple[Any, Any]:
    """(model, tokenizer): random weights, float32, eval mode, nothing trainable."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = _tokenizer()
    auto: Any = AutoModelForCausalLM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = auto.from_config(family_config(family, len(tokenizer)))
    # Random weights of 0.02 give states that hardly differ; larger ones make a wrong mask show.
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "embed" not in name:
                parameter.mul_(8)
    return model.eval().requires_grad_(False), tokenizer
