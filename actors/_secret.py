"""Secrets: values that are read as late as possible and never show themselves."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn, final

from ._errors import SecretMissing

_HIDDEN: Final = "***"


@final
class Secret:
    """A key or a password, known by where it comes from. Made by `env`, `file`, `of` or `literal`.

    ``repr``, ``str`` and ``format`` give ``***``. Two secrets are equal when their sources are: comparing never reads
    them. A secret cannot be pickled, and copying it gives the same object.
    """

    __slots__ = ("_kind", "_source")

    def __init__(self, kind: str, source: str | Path | Callable[[], str]) -> None:
        self._kind = kind
        self._source = source

    @classmethod
    def env(cls, name: str) -> Secret:
        """Return the secret in an environment variable, read at each `reveal`."""
        if not name:
            raise ValueError("Secret.env needs the name of a variable")
        return cls("env", name)

    @classmethod
    def file(cls, path: str | Path) -> Secret:
        """Return the secret in a file (Docker and systemd deliver them so), read at each `reveal`."""
        return cls("file", Path(path))

    @classmethod
    def of(cls, function: Callable[[], str]) -> Secret:
        """Return the secret that a function gives, called at each `reveal`: a key ring, a vault.

        The function must be quick: it runs in Trio's thread.
        """
        if not callable(function):
            raise TypeError("Secret.of needs a function; for a value there is Secret.literal")
        return cls("of", function)

    @classmethod
    def literal(cls, value: str) -> Secret:
        """Return the secret that is the given text. For tests and simulators: source code is no place for keys."""
        return cls("literal", value)

    @property
    def path(self) -> Path | None:
        """Where it lies, of one in a file; None of the others."""
        return self._source if isinstance(self._source, Path) else None

    def reveal(self) -> str:
        """Return the value itself, without surrounding white space.

        Raises:
            SecretMissing: It is not there, cannot be read, or is empty. The message names its source.
        """
        value = self._read().strip()
        if not value:
            raise SecretMissing(f"the secret {self._where()} is empty")
        return value

    def _read(self) -> str:
        if isinstance(self._source, Path):
            try:
                return self._source.read_text(encoding="utf-8")
            except OSError as error:
                raise SecretMissing(f"the secret {self._where()} cannot be read: {error.strerror}") from None
            except UnicodeDecodeError:
                # Its own message would quote bytes of the secret.
                raise SecretMissing(f"the secret {self._where()} is not UTF-8 text") from None
        if not isinstance(self._source, str):
            try:
                value = self._source()
            except Exception as error:  # noqa: BLE001 - any failure of a user's function means the same here
                # Not chained: what a key ring says about a secret is not ours to print.
                raise SecretMissing(f"the secret {self._where()} raised {type(error).__name__}") from None
            if not isinstance(value, str):
                raise SecretMissing(f"the secret {self._where()} returned {type(value).__name__}, not str")
            return value
        if self._kind == "literal":
            return self._source
        try:
            return os.environ[self._source]
        except KeyError:
            raise SecretMissing(f"the secret {self._where()} is not set") from None

    def _where(self) -> str:
        if self._kind == "env":
            return f"in environment variable {self._source}"
        if self._kind == "file":
            return f"in file {self._source}"
        if self._kind == "literal":
            return "given literally"
        return f"from function {getattr(self._source, '__qualname__', type(self._source).__qualname__)}"

    def __repr__(self) -> str:
        return _HIDDEN

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, spec: str) -> str:
        return _HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret) or self._kind != other._kind:
            return NotImplemented if not isinstance(other, Secret) else False
        if self._kind == "literal":
            return hmac.compare_digest(str(self._source).encode(), str(other._source).encode())
        return self._source == other._source

    def __hash__(self) -> int:
        # A literal's own hash would be a fingerprint of it.
        return hash((Secret, self._kind, None if self._kind == "literal" else self._source))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")
