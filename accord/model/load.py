"""Loads language models. The only file that knows model names and families."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from accord.errors import ConfigError, ModelError
from accord.model import embedded, hub
from accord.model.config import ModelConfig
from accord.model.cpu import computes_bfloat16, keep_freed_memory
from accord.model.last_layer import Capture, Inject, LastLayerAtPoints, Pass

LAYER_LISTS = ("layers", "h", "layer")
"""Where families keep their layers: Llama and kin, GPT-2 and kin, BERT and kin."""
LAYER_HOLDERS = ("encoder", "transformer")
"""Parts inside which families of encoders keep that list: BERT and kin, DistilBERT."""
MLP_TARGETS = (
    *("gate_proj", "up_proj", "down_proj", "gate_up_proj"),
    *("fc1", "fc2", "c_fc", "c_proj", "dense_h_to_4h", "dense_4h_to_h"),
)
ATTENTION_TARGETS = (
    *("q_proj", "k_proj", "v_proj", "o_proj", "out_proj"),
    *("dense", "qkv_proj", "query_key_value", "c_attn", "c_proj"),
)
POINTWISE_LAYERS = ("LlamaDecoderLayer", "Qwen3DecoderLayer")
"""Layers that `LastLayerAtPoints` can stand in for: plain causal attention, no window."""


def pick_device(name: str | None = None) -> torch.device:
    """The device asked for, else CUDA or MPS where there is one, else the CPU."""
    if name:
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """float32 or bfloat16; auto takes bfloat16 only where the processor computes in it."""
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    has_bf16 = device.type == "cpu" and computes_bfloat16()
    return torch.bfloat16 if has_bf16 else torch.float32


def resolve(name: str) -> str:
    """Turns an embedded model's name into its folder; a Hub name stays.

    Raises:
        ModelError: A path that does not exist, or a name that is neither here nor on the Hub.
    """
    if name in embedded.EMBEDDED:
        folder = embedded.fetch(name)
        embedded.verify(folder)
        return str(folder)
    if name.startswith((".", "/", "~")) and not Path(name).expanduser().is_dir():
        raise ModelError(f"no model folder at {name!r}", "give a folder or a Hub name")
    if Path(name).expanduser().is_dir():
        return str(Path(name).expanduser())
    hub.check_available(name)
    return name


def load_base(name: str, dtype: torch.dtype, device: torch.device) -> tuple[nn.Module, Any]:
    """Loads a causal language model and its tokenizer; nothing remote is executed.

    Args:
        name: Hub name, folder or embedded model's name.
        dtype: Type of the weights.
        device: Where to put them.

    Returns:
        The model in eval mode and a fast tokenizer with a padding token.

    Raises:
        ModelError: It cannot be found or read.
    """
    from transformers import AutoModelForCausalLM

    model, tokenizer = _pretrained(AutoModelForCausalLM, name, dtype)
    if tokenizer.eos_token_id is None:
        raise ModelError(f"the tokenizer of {name!r} has no end token", "choose another model")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.to(device).eval().requires_grad_(False), tokenizer


def load_encoder(name: str, dtype: torch.dtype, device: torch.device) -> tuple[nn.Module, Any]:
    """Loads an encoder without its heads, and its tokenizer; arguments as `load_base`.

    Returns:
        The model in eval mode and a fast tokenizer with padding and mask tokens.

    Raises:
        ModelError: It cannot be found or read, or is no encoder with a mask token.
    """
    from transformers import AutoModel

    model, tokenizer = _pretrained(AutoModel, name, dtype)
    if tokenizer.mask_token_id is None or tokenizer.pad_token_id is None:
        raise ModelError(
            f"the tokenizer of {name!r} has no mask or no padding token",
            "choose a BERT-type encoder such as all-minilm-l6-v2",
        )
    return model.to(device).eval().requires_grad_(False), tokenizer


def _pretrained(auto: Any, name: str, dtype: torch.dtype) -> tuple[nn.Module, Any]:
    from transformers import AutoTokenizer, logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # untyped there
    keep_freed_memory()
    folder = resolve(name)
    try:
        with hub.tokenizer_errors(name, folder):
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model = auto.from_pretrained(
            folder, dtype=dtype, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise ModelError(
            f"cannot load model {name!r}: {hub.first_line(error)}",
            "a model is a folder or Hub repository with config.json, *.safetensors and a tokenizer",
        ) from error
    return model, tokenizer


def without_adapter(model: nn.Module) -> nn.Module:
    """The model inside a PEFT wrapper, or the model itself."""
    inner: nn.Module = model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]  # of a module
    return inner


def base_model(model: nn.Module) -> nn.Module:
    """The stack without the language-model head, inside or outside a PEFT wrapper."""
    inner = without_adapter(model)
    prefix = getattr(inner, "base_model_prefix", "")
    stack = getattr(inner, prefix, inner) if prefix else inner
    if not isinstance(stack, nn.Module):
        raise ModelError(f"{type(inner).__name__} has no base model")
    return stack


def hidden_width(model: nn.Module) -> int:
    """D: the width of the hidden states."""
    return int(model.config.hidden_size)  # type: ignore[union-attr, arg-type]  # of a module


def layer_list(model: nn.Module) -> nn.ModuleList:
    """The list of transformer layers.

    Raises:
        ModelError: The family keeps them elsewhere.
    """
    stack = base_model(model)
    parts = [stack, *(getattr(stack, holder, None) for holder in LAYER_HOLDERS)]
    for part in parts:
        for key in LAYER_LISTS:
            layers = getattr(part, key, None)
            if isinstance(layers, nn.ModuleList):
                return layers
    raise ModelError(
        f"cannot find the layers of {type(stack).__name__}",
        "freeze_layers and fusion need a family that keeps them in `layers` or `h`",
    )


def add_adapter(model: nn.Module, config: ModelConfig) -> nn.Module:
    """Makes the wanted part of a model trainable.

    Args:
        model: A loaded causal language model.
        config: What to train; layers below `freeze_layers` get nothing.

    Returns:
        The model, wrapped by PEFT for LoRA.
    """
    layers = layer_list(model)
    check_frozen(config.freeze_layers, len(layers))
    if config.adapter == "full":
        for layer in list(layers)[config.freeze_layers :]:
            layer.requires_grad_(True)
    if config.adapter != "lora":
        return model
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,  # type: ignore[arg-type]  # PEFT computes alpha / r in floats
        lora_dropout=config.dropout,
        target_modules=lora_targets(layers, config.targets),
        layers_to_transform=list(range(config.freeze_layers, len(layers))),
        layers_pattern=[
            name.rsplit(".", 1)[-1] for name, part in model.named_modules() if part is layers
        ],
        task_type="CAUSAL_LM" if writes(model) else None,
        fan_in_fan_out=any(type(m).__name__ == "Conv1D" for m in layers.modules()),
    )
    wrapped: nn.Module = get_peft_model(model, lora)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()
    return wrapped.eval()


def check_frozen(freeze_layers: int, count: int) -> None:
    """Refuses to freeze every layer.

    Raises:
        ConfigError: Nothing would be left to train.
    """
    if freeze_layers >= count:
        raise ConfigError(
            f"model.freeze_layers is {freeze_layers}, the model has {count} layers",
            f"leave at least one layer to train: use 0 to {count - 1}",
        )


def lora_targets(layers: nn.ModuleList, which: str) -> list[str]:
    """Names of the linear maps inside a layer that get an adapter.

    Raises:
        ModelError: The layers have no map of that kind.
    """
    mlp: set[str] = set()
    attention: set[str] = set()
    for name, module in layers[-1].named_modules():
        if type(module).__name__ not in ("Linear", "Conv1D"):
            continue
        inside_attention = "attn" in name or "attention" in name
        (attention if inside_attention else mlp).add(name)
    wanted = {"mlp": mlp, "attention": attention, "all": mlp | attention}[which]
    known = {"mlp": MLP_TARGETS, "attention": ATTENTION_TARGETS}.get(which)
    found = {name for name in wanted if known is None or _leaf(name) in known}
    if not found:
        raise ModelError(f"no {which} maps found to adapt", "set model.targets=all or adapter=full")
    # GPT-2 has a c_proj in both parts: where the last word alone says too little, the path stands.
    others = {_leaf(name) for name in (mlp | attention) - found}
    return sorted({name if _leaf(name) in others else _leaf(name) for name in found})


def _leaf(name: str) -> str:
    return name.rsplit(".", 1)[-1]


@contextmanager
def adapter_off(model: nn.Module) -> Iterator[None]:
    """The base model inside, whatever adapter is on outside."""
    if hasattr(model, "disable_adapter"):
        with model.disable_adapter():  # type: ignore[operator]  # of a module
            yield
    else:
        yield


@contextmanager
def dropout_on(model: nn.Module) -> Iterator[None]:
    """The adapter's dropout inside; the base model's own dropout stays off, also when training."""
    parts = [module for name, module in model.named_modules() if name.endswith("lora_dropout")]
    for module in parts:
        module.train()
    try:
        yield
    finally:
        for module in parts:
            module.eval()


@contextmanager
def _swapped(layers: nn.ModuleList, stand_ins: dict[int, nn.Module]) -> Iterator[None]:
    kept = {i: layers[i] for i in stand_ins}
    try:
        for i, module in stand_ins.items():
            layers[i] = module
        yield
    finally:
        for i, module in kept.items():
            layers[i] = module


def run_lower(
    model: nn.Module, ids: torch.Tensor, mask: torch.Tensor | None, count: int
) -> torch.Tensor:
    """Hidden states after the lowest layers.

    Args:
        model: The model.
        ids: (B, L) token ids.
        mask: (B, L) bool, True = keep; None where padding is on the right of a causal model.
        count: How many layers to run.

    Returns:
        (B, L, D) what the next layer would read.
    """
    layers = layer_list(model)
    capture = Capture()
    stand_ins: dict[int, nn.Module] = {i: Pass() for i in range(count + 1, len(layers))}
    stand_ins[count] = capture
    with _swapped(layers, stand_ins):
        base_model(model)(input_ids=ids, **_given(model, mask))
    if capture.hidden is None:
        raise ModelError(f"{type(base_model(model)).__name__} did not run its layers in order")
    return capture.hidden


def run_upper(
    model: nn.Module,
    hidden: torch.Tensor,
    mask: torch.Tensor | None,
    count: int,
    points: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Last hidden states from what the lowest layers gave.

    Args:
        model: The model.
        hidden: (B, L, D) what layer `count` reads.
        mask: (B, L) bool, True = keep; None where padding is on the right of a causal model.
        count: How many lowest layers are skipped.
        points: (M,) rows and (M,) positions that are asked for; others may be left undone.

    Returns:
        (B, L, D) `last_hidden_state`.
    """
    layers = layer_list(model)
    stand_ins: dict[int, nn.Module] = {i: Pass() for i in range(count)}
    stand_ins[0] = Inject(hidden)
    if points is not None and mask is None and _is_pointwise(layers[-1]):
        stand_ins[len(layers) - 1] = LastLayerAtPoints(layers[-1], *points)
    with _swapped(layers, stand_ins):
        out = base_model(model)(inputs_embeds=hidden, **_given(model, mask))
    last: torch.Tensor = out.last_hidden_state
    return last


def _is_pointwise(layer: nn.Module) -> bool:
    window = getattr(getattr(layer, "self_attn", None), "sliding_window", None)
    # A stand-in would not run what is hooked behind the layer, such as fusion.
    plain = window is None and not layer._forward_hooks
    return type(layer).__name__ in POINTWISE_LAYERS and plain


def run_all(model: nn.Module, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """(B, L, D) `last_hidden_state` of the whole stack; arguments as in `run_lower`."""
    out = base_model(model)(input_ids=ids, **_given(model, mask))
    last: torch.Tensor = out.last_hidden_state
    return last


def embed_tokens(model: nn.Module, ids: torch.Tensor) -> torch.Tensor:
    """(N, L) token ids -> (N, L, D) the embeddings that the first layer reads."""
    found: torch.Tensor = _token_table(model)(ids)
    return found


def vocabulary(model: nn.Module) -> int:
    """V, how many tokens have an embedding."""
    return int(_token_table(model).weight.shape[0])  # type: ignore[index]  # of a module


def _token_table(model: nn.Module) -> nn.Module:
    found: nn.Module = base_model(model).get_input_embeddings()  # type: ignore[operator]  # of a module
    return found


def writes(model: nn.Module) -> bool:
    """Whether a model continues texts; encoders do not."""
    return bool(without_adapter(model).can_generate())  # type: ignore[operator]  # of a module


def _given(model: nn.Module, mask: torch.Tensor | None) -> dict[str, Any]:
    """Mask and positions; tokens are counted from the first that is kept, on whichever side."""
    if not writes(model):  # encoders count for themselves, each family in its own way
        return {} if mask is None else {"attention_mask": mask.long()}
    if mask is None:
        return {"use_cache": False}
    positions = (mask.long().cumsum(-1) - 1).clamp_min(0)  # (B, L)
    return {"attention_mask": mask.long(), "position_ids": positions, "use_cache": False}


def stated_context(model: nn.Module) -> int:
    """Tokens that a model says it reads at most; 0 where it says nothing."""
    return int(getattr(model.config, "max_position_embeddings", 0) or 0)


def output_weights(model: nn.Module) -> nn.Module:
    """The language-model head: hidden (…, D) -> logits (…, V); an encoder has none."""
    if not writes(model):
        raise ModelError("an encoder does not write", "choose a causal language model")
    head: nn.Module = without_adapter(model).get_output_embeddings()  # type: ignore[operator]  # of a module
    return head
