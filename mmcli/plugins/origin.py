"""Where a plugin's entry comes from, as artifacts record it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from mmcli.errors import MmcliError, missing_package


@dataclass(frozen=True)
class Origin:
    """The file or distribution of a plugin.

    Args:
        name: File name or distribution name.
        sha256: Of the file; "" for a distribution, whose classes have a ``version`` of their code.
        version: Of the distribution; "" for a file.
    """

    name: str
    sha256: str = ""
    version: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the record for artifacts."""
        if self.sha256:
            return {"file": self.name, "sha256": self.sha256}
        return {"package": self.name, "version": self.version}

    def identity(self) -> dict[str, str]:
        """Return the part that identifies the code; see ``identity_of``."""
        return identity_of(self.to_json())


@dataclass(frozen=True)
class Entry:
    """An entry of a plugin.

    Args:
        module: Dotted name of its module.
        class_name: Name of the class or function in that module.
        origin: Its plugin.
        made: The class or function itself if it comes from a file.
    """

    module: str
    class_name: str
    origin: Origin
    made: Any = None

    def load(self) -> Any:
        """Import and return the class or function.

        Raises:
            MmcliError: The module does not have it, needs another package, or fails to import.
        """
        if self.made is not None:
            return self.made
        told = f"{self.origin.name}: {self.module}:{self.class_name}"
        try:
            return getattr(import_module(self.module), self.class_name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if f"{self.module}.".startswith(f"{missing}."):
                raise MmcliError(f"{told}: no such module") from error
            raise missing_package(told, missing) from error
        except (Exception, SystemExit) as error:
            raise MmcliError(f"{told}: {type(error).__name__}: {error}") from error


def is_origin(value: object) -> bool:
    """Return whether a value is the record of an origin, rather than of a modality named ``plugin``."""
    return isinstance(value, dict) and value.keys() in ({"file", "sha256"}, {"package", "version"})


def identity_of(record: Mapping[str, str]) -> dict[str, str]:
    """Return the part of an origin's record that identifies the code: no file name, no release."""
    return {key: value for key, value in record.items() if key in ("sha256", "package")}


def check_origin(what: str, name: str, recorded: Mapping[str, str] | None, found: Origin | None) -> None:
    """Check that a name comes from the plugin that an artifact records.

    Args:
        what: What the name is called in messages, such as ``fusion method``.
        name: The name.
        recorded: The origin in the artifact; None for mmcli itself.
        found: The origin now; None for mmcli itself or an unknown name.

    Raises:
        MmcliError: They differ; the message says what to install or name.
    """
    if found is None if recorded is None else found is not None and identity_of(recorded) == found.identity():
        return
    told = f"{what} {name!r}"
    if recorded is None:
        assert found is not None
        raise MmcliError(
            f"{told} was part of mmcli when this was made, and now comes from {found.name}; run without that plugin"
        )
    if "file" not in recorded:
        package, version = recorded.get("package", ""), recorded.get("version", "")
        raise MmcliError(
            f"{told} came from the package {package} {version} when this was made: pip install {package}=={version}"
        )
    file, digest = recorded["file"], recorded.get("sha256", "")
    if found is None or not found.sha256:
        raise MmcliError(
            f"{told} came from {file} (SHA-256 {digest[:12]}…) when this was made: name it with --plugin {file}"
        )
    raise MmcliError(
        f"{told} came from {file} with the SHA-256 {digest[:12]}… when this was made, but {found.name} has "
        f"{found.sha256[:12]}…: name the original file, or make this again"
    )
