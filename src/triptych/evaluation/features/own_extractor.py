"""A user's own features by name: `path/to/file.py:function` or `package.module:name`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from torch import Tensor, nn

from triptych.errors import ConfigurationError, DataError, did_you_mean
from triptych.evaluation.features.extractor import Extractor


def own_extractor(name: str) -> Extractor:
    """Return the extractor of a function, or an `nn.Module`, in a file or module of the user's.

    The file is run, as `python file.py` would run it: name only files that you trust. It may import what lies beside
    it; a module is looked for where Python looks, and in the current directory.

    Args:
        name: `path/to/file.py:function` or `package.module:name`; it is the protocol's name as it is given. What it
            names takes examples as stored, `(B, *event.shape)`, and returns `(B, F)` numbers.

    Raises:
        ConfigurationError: without such a file, module or name, or for one that fails when it is run.
    """
    place, _, member = name.rpartition(":")
    if not place or not member:
        raise ConfigurationError(f"features {name!r}: expected file.py:function or package.module:name")
    module = _of_file(Path(place).expanduser()) if place.endswith(".py") else _of_module(place)
    if not hasattr(module, member):
        there = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise ConfigurationError(f"there is no {member} in {place}; {did_you_mean(member, there)}")
    found = getattr(module, member)
    if isinstance(found, type) or not callable(found):
        what = f"the class {member}" if isinstance(found, type) else f"{member}, of type {type(found).__name__}"
        raise ConfigurationError(f"{name} is {what}: expected a function or an nn.Module from examples to features")
    if isinstance(found, nn.Module):
        found.eval()
    return Extractor(name, _Told(name, found), f"the user's own: {name}")


class _Told:
    """A function of the user's whose failure is told in one line."""

    def __init__(self, name: str, function: Callable[[Tensor], Tensor]) -> None:
        self.name, self.function = name, function

    def __call__(self, x: Tensor) -> Tensor:
        try:
            return self.function(x.clone())  # what it does to its argument is no matter of the data's
        except (Exception, SystemExit) as error:  # whatever the user's code raises
            given = f"{str(x.dtype).removeprefix('torch.')} {tuple(x.shape)}"
            raise DataError(f"{self.name} failed on examples {given}: {_reason(error)}") from error


class _Source(SourceFileLoader):
    """Compile a file as it is now. Cached bytecode may be older: it is valid if size and second of the edit agree."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _of_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigurationError(f"there is no file {path} to take features from")
    name = f"features_in_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_Source(name, str(path)))
    assert spec is not None and spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    with _importing_from(path.parent), _told(str(path)):
        sys.modules[spec.name] = module  # as an import would: dataclasses look for their module there
        spec.loader.exec_module(module)
    return module


def _of_module(name: str) -> ModuleType:
    with _importing_from(Path.cwd()), _told(name):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name and (name == error.name or name.startswith(f"{error.name}.")):
                raise ConfigurationError(
                    f"there is no module {name} to take features from: expected file.py:function or package.module:name"
                ) from error
            raise


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path.remove(str(folder.resolve()))


@contextmanager
def _told(place: str) -> Iterator[None]:
    try:
        yield
    except ConfigurationError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise ConfigurationError(f"{place} fails when it is run: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    lines: Any = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
