"""Configuration: a frozen dataclass, then a TOML recipe over it, then `--set key=value` over that.

Nested dataclasses are TOML tables. A field's docstring is its help text, `None` means off, and
ranges are checked in `__post_init__`.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import textwrap
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from accord.config_values import NONE, OFF, ON, is_union, parse_value
from accord.errors import ConfigError, nearest

T = TypeVar("T")


class Setting(NamedTuple):
    """One setting as the documentation shows it."""

    key: str
    """Dotted path, as `--set` takes it."""
    type: str
    default: str
    help: str


def load_config(cls: type[T], recipe: str | Path | None, overrides: Iterable[str] = ()) -> T:
    """Resolves a configuration: defaults, then the recipe, then the overrides.

    Args:
        cls: A dataclass; its fields may be dataclasses, tuples, Literals, Optionals, bool, int,
            float, str and Path.
        recipe: A recipe's name (`kalm`, `paper/kalm-wn18rr`), the path of a TOML file, or None.
        overrides: `key=value` each. A key is a dotted path or any end of one that is unique.

    Returns:
        The configuration, all of it checked.

    Raises:
        ConfigError: An unknown recipe or key (names the nearest), a wrong type, or a value out
            of range; each says in which file or override.
    """
    tree, where = {}, "defaults"
    if recipe is not None:
        path = find_recipe(recipe)
        tree, where = read_toml(path), str(path)
        _build(cls, None, tree, where, ())
    # Overrides are judged together: one may be in range only with another.
    for override in overrides:
        tree = apply_override(cls, tree, override)
        where += f" --set {override}"
    built: T = _build(cls, None, tree, where, ())
    return built


def recipes_folder() -> Path:
    """Where the recipes are: inside the installed package, else the repository's folder."""
    package = Path(__file__).resolve().parent
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def recipe_names() -> list[str]:
    """Names of all recipes, such as `kalm` and `paper/kalm-wn18rr`."""
    root = recipes_folder()
    return sorted(p.relative_to(root).with_suffix("").as_posix() for p in root.rglob("*.toml"))


def find_recipe(recipe: str | Path) -> Path:
    """The file of a recipe given by name or path.

    Raises:
        ConfigError: There is none; names the nearest.
    """
    path = Path(recipe)
    if path.is_file():
        return path
    named = recipes_folder() / f"{recipe}.toml"
    if path.suffix != ".toml" and named.is_file():
        return named
    if path.suffix == ".toml":
        raise ConfigError(f"no recipe file {str(path)!r}", nearest(path.stem, recipe_names()))
    raise ConfigError(f"no recipe {str(recipe)!r}", nearest(str(recipe), recipe_names()))


def read_toml(path: Path) -> dict[str, Any]:
    """Reads a TOML file.

    Raises:
        ConfigError: It cannot be read or is not TOML; says where.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}", "see https://toml.io") from error


def _build(cls: Any, base: Any, tree: Mapping[str, Any], where: str, path: tuple[str, ...]) -> Any:
    """A dataclass from values; fields not given are those of `base`, if there is one."""
    hints, known = get_type_hints(cls), _field_names(cls)
    values = {}
    for key, value in tree.items():
        if key not in known:
            table = f" in [{'.'.join(path)}]" if path else ""
            raise ConfigError(f"{where}: no setting {key!r}{table}", nearest(key, known))
        inner = _default(cls, key) if base is None else getattr(base, key)
        values[key] = _convert(value, hints[key], where, (*path, key), inner)
    try:
        return cls(**values) if base is None else dataclasses.replace(base, **values)
    except ConfigError as error:
        raise ConfigError(f"{_place(where, path)}: {error.message}", error.hint) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{_place(where, path)}: {error}") from error


def _default(cls: Any, name: str) -> Any:
    """The default of a field; MISSING where it has none."""
    field = next(f for f in dataclasses.fields(cls) if f.name == name)
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _field_names(cls: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(cls) if field.init]


def _place(where: str, path: tuple[str, ...]) -> str:
    return f"{where}: [{'.'.join(path)}]" if path else where


def _convert(value: Any, kind: Any, where: str, path: tuple[str, ...], default: Any = None) -> Any:
    """One TOML value as a field's type."""
    origin, args = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return _build(kind, default if type(default) is kind else None, value, where, path)
    if is_union(kind):
        return _convert_union(value, args, where, path, default)
    if origin is Literal and value in args:
        return value
    if origin is tuple and isinstance(value, (list, tuple)):
        return _convert_tuple(value, kind, where, path)
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is bool and isinstance(value, str) and value in ON + OFF:
        return value in ON
    if isinstance(kind, type) and type(value) is kind:
        return value
    hint = nearest(str(value), map(str, args)) if origin is Literal else ""
    raise ConfigError(f"{where}: {'.'.join(path)} is {value!r}, not {type_text(kind)}", hint)


def _convert_union(
    value: Any, kinds: tuple[Any, ...], where: str, path: tuple[str, ...], default: Any
) -> Any:
    # A bool that may be None keeps `false` as False and takes only "none" as None.
    none = (None, "none") if bool in kinds else (None, False, *NONE)
    if type(None) in kinds and any(value is x or (x and value == x) for x in none):
        return None
    real = [kind for kind in kinds if kind is not type(None)]
    for kind in real[:-1]:
        try:
            return _convert(value, kind, where, path, default)
        except ConfigError:
            continue
    return _convert(value, real[-1], where, path, default)


def _convert_tuple(value: Any, kind: Any, where: str, path: tuple[str, ...]) -> tuple[Any, ...]:
    args = get_args(kind)
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_convert(item, args[0], where, path) for item in value)
    if len(args) != len(value):
        raise ConfigError(f"{where}: {'.'.join(path)} has {len(value)} items, not {len(args)}")
    return tuple(_convert(v, k, where, path) for v, k in zip(value, args, strict=True))


def apply_override(cls: type[Any], tree: Mapping[str, Any], override: str) -> dict[str, Any]:
    """A copy of a tree of values with one `key=value` put into it."""
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override}: not key=value", "for example --set seed=1")
    path = _resolve(cls, tree, key.strip(), override)
    value = parse_value(text.strip(), kind := dict(_paths(cls))[path])
    _convert(value, kind, f"--set {override}", path)
    return _with(tree, path, value)


def _paths(cls: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every settable path with its type: leaves, and tables that may be switched off."""
    hints = get_type_hints(cls)
    for name in _field_names(cls):
        inner = _table(hints[name])
        if inner is None or type(None) in get_args(hints[name]):
            yield (*path, name), hints[name]
        if inner is not None:
            yield from _paths(inner, (*path, name))


def _table(kind: Any) -> Any | None:
    """The dataclass that a field holds, if it holds one."""
    for choice in (kind, *get_args(kind)):
        if dataclasses.is_dataclass(choice):
            return choice
    return None


def _resolve(cls: Any, tree: Mapping[str, Any], key: str, override: str) -> tuple[str, ...]:
    wanted = tuple(key.split("."))
    paths = [path for path, _ in _paths(cls)]
    if wanted in paths:
        return wanted
    found = [path for path in paths if path[-len(wanted) :] == wanted]
    used = [path for path in found if _weighs(cls, tree, path[0])]
    for choice in (found, used):  # a short name means the part that the recipe uses
        if len(choice) == 1:
            return choice[0]
    names = [".".join(path) for path in found or paths]
    if found:
        hint = "write " + " or ".join(names)
        raise ConfigError(f"--set {override}: {key!r} is {len(found)} settings", hint)
    ends = {path[-1] for path in paths}
    raise ConfigError(f"--set {override}: no setting {key!r}", nearest(key, [*ends, *names]))


def _weighs(cls: Any, tree: Mapping[str, Any], table: str) -> bool:
    """Whether a table is in use: one with a `weight` is not where that is 0."""
    inner = _table(get_type_hints(cls)[table])
    fields = {f.name: f for f in dataclasses.fields(inner)} if inner is not None else {}
    if "weight" not in fields:
        return True
    given = tree.get(table)
    weight = given.get("weight") if isinstance(given, Mapping) else None
    return bool(fields["weight"].default if weight is None else weight)


def _with(tree: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of the tree with one value changed; the tree given stays as it was."""
    copy = dict(tree)
    if len(path) == 1:
        copy[path[0]] = value
    else:
        inner = copy.get(path[0])
        copy[path[0]] = _with(inner if isinstance(inner, Mapping) else {}, path[1:], value)
    return copy


def to_toml(config: Any) -> str:
    """The resolved configuration as TOML that `load_config` reads back to an equal one.

    Args:
        config: An instance of a configuration dataclass.

    Returns:
        TOML text; a field that is None is written as "none" unless None is its default.
    """
    return "\n".join(_toml_lines(config, ())).strip() + "\n"


def _toml_lines(config: Any, path: tuple[str, ...]) -> Iterator[str]:
    tables = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            tables.append((field.name, value))
        elif field.init and not (value is None and field.default is None):
            yield f"{field.name} = {_toml_value(value)}"
    for name, value in tables:
        yield f"\n[{'.'.join((*path, name))}]"
        yield from _toml_lines(value, (*path, name))


def _toml_value(value: Any) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, (str, Path)):
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, (bool, float)) else str(value)


def describe(cls: type[Any], prefix: str = "", base: Any = None) -> list[Setting]:
    """All settings of a configuration with type, default and help text.

    Args:
        cls: A configuration dataclass.
        prefix: Dotted path of the table it is in.
        base: An instance whose values are the defaults; None for those of the class.

    Returns:
        One entry a setting, in the order of the code; the help text is the string literal after
        the field.
    """
    hints, texts, found = get_type_hints(cls), field_docs(cls), []
    for name in _field_names(cls):
        value = _default(cls, name) if base is None else getattr(base, name)
        inner = _table(hints[name])
        if inner is not None:
            within = value if isinstance(value, inner) else None
            found.extend(describe(inner, f"{prefix}{name}.", within))
        else:
            missing = value is dataclasses.MISSING
            default = "required" if missing else _toml_value(value).strip('"')
            text = texts.get(name, "")
            found.append(Setting(prefix + name, type_text(hints[name]), default, text))
    return found


def field_docs(cls: type[Any]) -> dict[str, str]:
    """Field name -> the docstring under it, of a dataclass and those it inherits from."""
    texts: dict[str, str] = {}
    for owner in reversed([c for c in cls.__mro__ if dataclasses.is_dataclass(c)]):
        tree = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
        assert isinstance(tree, ast.ClassDef)
        for line, after in zip(tree.body, tree.body[1:], strict=False):
            text = after.value if isinstance(after, ast.Expr) else None
            if isinstance(line, ast.AnnAssign) and isinstance(text, ast.Constant):
                texts[ast.unparse(line.target)] = inspect.cleandoc(str(text.value))
    return texts


def type_text(kind: Any) -> str:
    """A field's type in words, for help and errors."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is type(None):
        return "none"
    if origin is Literal:
        return " or ".join(map(str, args))
    if is_union(kind):
        return " or ".join(type_text(arg) for arg in args)
    if origin is tuple:
        if args[-1] is Ellipsis:
            return f"a list of {type_text(args[0])}"
        return "[" + ", ".join(map(type_text, args)) + "]"
    if dataclasses.is_dataclass(kind):
        return "a table"
    words = {bool: "true or false", int: "an integer", float: "a number", str: "text"}
    words[Path] = "a path"
    return words.get(kind, getattr(kind, "__name__", str(kind)))
