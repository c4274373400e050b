"""What tests share: the benchmark data, an eight-entity graph and a random tiny Llama."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph

# Tests run offline; nothing may ask the Hub. Set before anything imports huggingface_hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# A loaded machine is no defect, and CI sees the same examples each time.
settings.register_profile(
    "accord",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("accord")
REPOSITORY = Path(__file__).resolve().parent.parent
XSD = "http://www.w3.org/2001/XMLSchema#"


def data_folder() -> Path | None:
    """The benchmark data: $ACCORD_DATA, else ../shared/data beside the checkout."""
    stated = os.environ.get("ACCORD_DATA")
    folder = Path(stated) if stated else REPOSITORY.parent / "shared" / "data"
    return folder if (folder / "MANIFEST.tsv").is_file() else None


@pytest.fixture(scope="session")
def accord_data() -> Path:
    """The benchmark data's folder, or a skip that says what is missing."""
    folder = data_folder()
    if folder is None:
        pytest.skip("benchmark data is not here: set ACCORD_DATA to its folder")
    return folder


def build_tiny_graph() -> KnowledgeGraph:
    """Eight entities: inverse, loop, parallel and one-to-many relations, attributes, Unicode."""
    builder = GraphBuilder("tiny")
    for entity_id, name, description, aliases in ENTITIES:
        builder.entity(entity_id, name, description, aliases)
    for relation_id, phrase, inverse in RELATIONS:
        builder.relation(relation_id, phrase, inverse)
    for head, relation, tail, split in TRIPLES:
        builder.triple(head, relation, tail, split)
    builder.attribute("tokyo", "population", "13960000", XSD + "integer")
    builder.attribute("tokyo", "motto", "東京", "", "ja")
    builder.attribute("orebro", "area", "1373.4", XSD + "decimal")
    builder.attribute("nemo", "note", 'a "quoted"\tvalue')
    return builder.build(meta={"source": "built in code"})


ENTITIES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("japan", "Japan", "An island country in East Asia.", ("Nippon", "日本")),
    ("tokyo", "Tōkyō", "The capital of Japan.", ("Tokyo", "東京")),
    ("osaka", "Osaka", "A city of Japan.", ()),
    ("sweden", "Sweden", "A country in northern Europe.", ("Sverige",)),
    ("orebro", "Örebro", "A city of Sweden.", ("Orebro",)),
    ("norway", "Norway", "A country that borders Sweden.", ()),
    ("narcissus", "Narcissus", "He loved himself.", ()),
    ("nemo", "", "", ()),
)
RELATIONS = (
    ("has_city", "has the city", "is a city of"),
    ("city_of", "is a city of", "has the city"),
    ("has_capital", "has the capital", "is the capital of"),
    ("borders", "borders", "borders"),
    ("loves", "loves", "is loved by"),
)
TRIPLES = (
    ("japan", "has_city", "tokyo", "train"),
    ("japan", "has_city", "osaka", "train"),
    ("tokyo", "city_of", "japan", "train"),
    ("osaka", "city_of", "japan", "valid"),
    ("japan", "has_capital", "tokyo", "train"),
    ("sweden", "has_city", "orebro", "train"),
    ("orebro", "city_of", "sweden", "test"),
    ("sweden", "borders", "norway", "train"),
    ("norway", "borders", "sweden", "test"),
    ("narcissus", "loves", "narcissus", "train"),
    ("narcissus", "loves", "nemo", "train"),
    ("nemo", "loves", "osaka", "valid"),
)


@pytest.fixture(scope="session")
def tiny_graph() -> KnowledgeGraph:
    """The eight-entity graph; immutable, so one serves all tests."""
    return build_tiny_graph()


def build_tiny_tokenizer() -> Any:
    """A byte-level BPE tokenizer of 320 tokens, trained on the tiny graph's texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [text for row in ENTITIES for text in (row[1], row[2])]
    core.train_from_iterator(texts + [text for row in RELATIONS for text in row[1:]], trainer)
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=core, pad_token="<pad>", bos_token="<s>", eos_token="</s>")


def build_tiny_llama(seed: int = 0) -> tuple[Any, Any]:
    """A random Llama of 19 thousand parameters, float32, in eval mode, with its tokenizer.

    Args:
        seed: Of the random weights; the global random state is left as it was.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = build_tiny_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=56,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = LlamaForCausalLM(config)
        return model.eval(), tokenizer


@pytest.fixture
def tiny_llama() -> tuple[Any, Any]:
    """(model, tokenizer): a fresh random Llama for each test, since tests may train it."""
    return build_tiny_llama()
