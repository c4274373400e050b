"""Tiny random models with fusion, and a memory of the eight-entity graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from accord.graph.graph import KnowledgeGraph
from accord.model import load
from accord.model.config import FusionConfig, ModelConfig
from accord.model.fusion import Fusion, add_fusion
from accord.model.knowledge_model import KnowledgeModel
from accord.model.memory import EntityMemory
from accord.text.render import TextConfig
from tests.conftest import build_tiny_graph
from tests.model.families import build_family

WIDTH = 6
MENTIONING = ("Osaka is near Japan and more", "Sweden", "He saw Narcissus in Norway once again")
SILENT = "nothing of note at all"


def tiny_memory(graph: KnowledgeGraph | None = None) -> EntityMemory:
    """A random vector for each of the eight entities."""
    vectors = np.random.default_rng(0).normal(size=(8, WIDTH))
    return EntityMemory.of(graph or build_tiny_graph(), vectors, "structure", "random")


def tiny_fusion_config(**settings: Any) -> FusionConfig:
    """Fusion behind the second and the last layer."""
    return FusionConfig(**{"layers": (1, -1), "width": 8, "heads": 2, "neighbours": 2, **settings})


def awaken(fusion: Fusion, gate: float = 0.7) -> None:
    """Opens the gates, and makes what they let through large enough to see."""
    with torch.no_grad():
        for name, parameter in fusion.named_parameters():
            if name.endswith("gate"):
                parameter.fill_(gate)
            elif "norm" not in name and "kind" not in name:
                parameter.mul_(3)


def fused_model(
    family: str = "llama",
    graph: KnowledgeGraph | None = None,
    gate: float | None = 0.7,
    fusion: dict[str, Any] | None = None,
    **settings: Any,
) -> KnowledgeModel:
    """A model of a family with its fusion and the tiny graph.

    Args:
        family: Of tests.model.families.
        graph: Another graph to attach.
        gate: Value of the gates; None leaves them at zero.
        fusion: Settings of the fusion.
        settings: Of the model.
    """
    lm, tokenizer = build_family(family)
    config = ModelConfig(family, fusion=tiny_fusion_config(**(fusion or {})), **settings)
    assert config.fusion is not None
    torch.manual_seed(0)
    lm = load.add_adapter(lm, config)
    added = add_fusion(lm, config.fusion, WIDTH, config.freeze_layers)
    text = TextConfig(entity_tokens=12)
    model = KnowledgeModel(lm, tokenizer, config, text, torch.device("cpu"), tiny_memory())
    model.attach(graph or build_tiny_graph())
    if gate is not None:
        awaken(added, gate)
    return model.eval()


def ids_of(model: KnowledgeModel, text: str) -> tuple[int, ...]:
    """Token ids of a text."""
    return tuple(model.tokenizer(text)["input_ids"])


def save_tiny_bert(folder: Path) -> Path:
    """A random BERT of four layers of width 16 with a word-piece tokenizer of letters."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    letters = sorted(set("abcdefghijklmnopqrstuvwxyz.,öō"))
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = ["osaka", "japan", "is", "near", "nothing"]
    names = [*special, *letters, *("##" + c for c in letters), *words]
    vocabulary = {name: i for i, name in enumerate(names)}
    core = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast: Any = PreTrainedTokenizerFast
    marks = dict(zip(("pad", "unk", "cls", "sep", "mask"), special, strict=True))
    tokenizer = fast(
        tokenizer_object=core,
        model_max_length=64,
        **{f"{name}_token": mark for name, mark in marks.items()},
    )
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=64,
        initializer_range=0.2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
