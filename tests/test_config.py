"""Configuration: precedence, errors that name the nearest, and the round trip through TOML."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.config import describe, load_config, read_toml, recipe_names, to_toml
from accord.errors import ConfigError


@dataclass(frozen=True)
class Queue:
    batches: int = 2
    """Earlier batches kept."""
    scale: float = 1.0


@dataclass(frozen=True)
class Contrast:
    """A table."""

    tau: float = 0.05
    """Temperature at the start."""
    margin: float = 0.02
    layers: tuple[int, ...] = (1, 2)
    queue: Queue | None = None

    def __post_init__(self) -> None:
        if self.tau <= 0:
            raise ConfigError(f"tau is {self.tau}", "choose a number above 0")


@dataclass(frozen=True)
class Keep:
    weight: float = 0.5
    margin: float = 0.1
    text: Path | None = None


@dataclass(frozen=True)
class Settings:
    seed: int = 0
    """Of every random choice."""
    name: str = "a"
    fast: bool = True
    limit: int | None = None
    """Off when None."""
    mode: Literal["lora", "full"] = "lora"
    ratio: tuple[float, float] = (0.5, 0.5)
    words: tuple[str, ...] = ()
    contrast: Contrast = field(default_factory=lambda: Contrast(tau=0.07))
    keep: Keep | None = field(default_factory=Keep)


def recipe(folder: Path, text: str) -> Path:
    path = folder / "r.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_override_beats_recipe_beats_default(tmp_path: Path) -> None:
    path = recipe(tmp_path, "seed = 3\nname = 'b'\n[contrast]\nmargin = 0\n")
    found = load_config(Settings, path, ["name=c", "contrast.margin=1e-3"])
    assert (found.seed, found.name, found.contrast.margin) == (3, "c", 1e-3)
    assert found.contrast.tau == 0.07, "what a recipe does not name stays the field's own default"
    assert load_config(Settings, None, []) == Settings()


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("seed=7", "seed", 7),
        ("fast=off", "fast", False),
        ("fast=true", "fast", True),
        ("limit=5", "limit", 5),
        ("limit=off", "limit", None),
        ("mode=full", "mode", "full"),
        ("ratio=0.2,0.8", "ratio", (0.2, 0.8)),
        ("words=[a, b]", "words", ("a", "b")),
        ('words=["run, 1", "J\\u00fcrgen"]', "words", ("run, 1", "Jürgen")),
        ("name=7", "name", "7"),
        ("name=a=b", "name", "a=b"),
        ("keep=off", "keep", None),
    ],
)
def test_override_values(override: str, key: str, value: object) -> None:
    assert getattr(load_config(Settings, None, [override]), key) == value


def test_bare_key_finds_the_one_nested_setting() -> None:
    assert load_config(Settings, None, ["tau=0.1"]).contrast.tau == 0.1
    assert load_config(Settings, None, ["layers=3"]).contrast.layers == (3,)


def test_table_that_is_off_comes_on() -> None:
    assert load_config(Settings, None, ["queue=on"]).contrast.queue == Queue()
    assert load_config(Settings, None, ["batches=9"]).contrast.queue == Queue(batches=9)


def test_overrides_are_judged_together() -> None:
    with pytest.raises(ConfigError, match="tau is -1"):
        load_config(Settings, None, ["tau=-1"])
    assert load_config(Settings, None, ["tau=-1", "tau=1"]).contrast.tau == 1


@pytest.mark.parametrize(
    ("overrides", "message", "hint"),
    [
        (["sead=1"], "no setting 'sead'", "'seed'"),
        (["contrast.taux=1"], "no setting 'contrast.taux'", "contrast.tau"),
        (["margin=1"], "'margin' is 2 settings", "contrast.margin or keep.margin"),
        (["seed"], "not key=value", "--set seed=1"),
        (["seed=x"], "seed is 'x', not an integer", ""),
        (["seed=1.5"], "seed is 1.5, not an integer", ""),
        (["fast=maybe"], "fast is 'maybe', not true or false", ""),
        (["mode=lorra"], "mode is 'lorra', not lora or full", "'lora'"),
        (["ratio=1"], "ratio has 1 items, not 2", ""),
        (["limit=many"], "limit is 'many', not an integer", ""),
        (["tau=0"], "[contrast]: tau is 0.0", "above 0"),
    ],
)
def test_wrong_overrides(overrides: list[str], message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Settings, None, overrides)
    assert message in caught.value.message
    assert overrides[0] in caught.value.message, "the message shows the override"
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("sed = 1", "no setting 'sed'", "'seed'"),
        ("[contrast]\ntao = 1", "no setting 'tao' in [contrast]", "'tau'"),
        ("seed = true", "seed is True, not an integer", ""),
        ("seed = '1'", "seed is '1', not an integer", ""),
        ("contrast = 1", "contrast is 1, not a table", ""),
        ("seed = ", "not TOML", ""),
        ("[contrast]\ntau = -0.1", "[contrast]: tau is -0.1", "above 0"),
    ],
)
def test_wrong_recipes_name_file_and_key(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    path = recipe(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(Settings, path, [])
    assert str(path) in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_recipe_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(Settings, tmp_path / "r.toml", [])
    with pytest.raises(ConfigError, match="no recipe file"):
        load_config(Settings, tmp_path / "none.toml", [])


def test_every_recipe_is_toml_and_a_misspelt_name_gets_the_nearest() -> None:
    names = recipe_names()
    with pytest.raises(ConfigError) as caught:
        load_config(Settings, (names or ["kalm"])[0][:-1] + "x", [])
    assert not names or names[0] in caught.value.hint


settings = st.builds(
    Settings,
    seed=st.integers(),
    name=st.text().filter(lambda s: "\r" not in s),
    fast=st.booleans(),
    limit=st.none() | st.integers(),
    mode=st.sampled_from(["lora", "full"]),
    ratio=st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)),
    words=st.lists(st.text()).map(tuple),
    contrast=st.builds(
        Contrast,
        tau=st.floats(min_value=1e-9),
        layers=st.lists(st.integers()).map(tuple),
        queue=st.none() | st.builds(Queue, batches=st.integers()),
    ),
    keep=st.none() | st.builds(Keep, weight=st.floats(allow_nan=False)),
)


@given(config=settings)
def test_round_trip(config: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("c") / "config.toml"
    path.write_bytes(to_toml(config).encode("utf-8"))
    assert load_config(Settings, path, []) == config


def test_toml_of_the_defaults_is_readable(tmp_path: Path) -> None:
    tree = read_toml(recipe(tmp_path, to_toml(Settings())))
    assert tree["contrast"] == {"tau": 0.07, "margin": 0.02, "layers": [1, 2]}


def test_describe_gives_key_type_default_and_help() -> None:
    rows = {row.key: row for row in describe(Settings)}
    assert rows["seed"] == ("seed", "an integer", "0", "Of every random choice.")
    assert rows["contrast.tau"].help == "Temperature at the start."
    assert rows["contrast.tau"].default == "0.07", "the default of the field, not of its class"
    assert rows["limit"].type == "an integer or none"
    assert rows["contrast.queue.batches"].default == "2"
    assert "contrast" not in rows


@dataclass(frozen=True)
class Used:
    weight: float = 1.0
    size: int = 1


@dataclass(frozen=True)
class Unused:
    weight: float = 0.0
    size: int = 1


@dataclass(frozen=True)
class Both:
    used: Used = field(default_factory=Used)
    unused: Unused = field(default_factory=Unused)


def test_a_short_name_means_the_part_that_is_used() -> None:
    assert load_config(Both, None, ["size=5"]).used.size == 5
    turned = load_config(Both, None, ["used.weight=0", "unused.weight=1", "size=5"])
    assert (turned.used.size, turned.unused.size) == (1, 5)
    with pytest.raises(ConfigError, match="'size' is 2 settings"):
        load_config(Both, None, ["unused.weight=1", "size=5"])
