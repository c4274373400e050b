"""Base models on the Hugging Face Hub: whether one can be had, and which weights it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accord.errors import ModelError, nearest
from accord.model import embedded

PATIENCE = 5.0
"""Seconds in which the Hub must answer; its loaders try again and again for most of a minute."""


def local_copy(name: str) -> Path | None:
    """The folder of a Hub model that was fetched before; None where there is none."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def check_available(name: str) -> None:
    """Refuses a Hub name that is neither here nor on the Hub, before anything waits for it.

    Raises:
        ModelError: No such model, or the Hub cannot be reached.
    """
    if local_copy(name) is not None:
        return
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # not among its exports

    try:
        validate_repo_id(name)
        HfApi().model_info(name, timeout=PATIENCE)
    except (HfHubHTTPError, HFValidationError) as error:
        known = nearest(name, embedded.EMBEDDED)
        raise ModelError(
            f"there is no model {name!r}: neither a folder, nor embedded, nor on the Hub "
            f"({first_line(error)})",
            known if known.startswith("did") else "give a folder or a Hub name; " + known,
        ) from error
    except Exception as error:  # each version of the client has errors of its own
        raise ModelError(
            f"there is no model {name!r} on this machine, and the Hub cannot be reached "
            f"({first_line(error)})",
            "check the name, the network or HF_HOME; " + nearest(name, embedded.EMBEDDED),
        ) from error


def weights_sha256(folder: Path) -> str:
    """sha256 of the weights in a local copy; of those only that are loaded, others may lie beside.

    The client keeps files under their sha256, so they are not read again.
    """
    return " ".join(_sha256(path) for path in sorted(folder.glob("model*.safetensors")))


def _sha256(path: Path) -> str:
    kept = path.resolve().name
    named = path.is_symlink() and len(kept) == 64 and set(kept) <= set("0123456789abcdef")
    return kept if named else embedded.file_sha256(path)


@contextmanager
def tokenizer_errors(name: str, folder: str) -> Iterator[None]:
    """Says that a model's folder lacks its tokenizer, where that is all that is wrong inside.

    Args:
        name: As the user named the model.
        folder: Where it is; a Hub name, or a folder without config.json, passes errors on.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        if not (Path(folder) / "config.json").is_file():
            raise
        line = first_line(error).removesuffix(" from one of: ").removesuffix(" from one of:")
        raise ModelError(
            f"the model folder {name!r} has no usable tokenizer files ({line})",
            "beside config.json belong tokenizer.json and tokenizer_config.json, or the files of "
            "its kind: tokenizer.model, vocab.txt, or vocab.json with merges.txt",
        ) from error


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its kind."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
