"""The packages' public faces: sorted, complete, and seen by static tools."""

import inspect
from types import ModuleType

import pytest

import actors
import actors.simulator
import supervisor

FACES = [supervisor, actors, actors.simulator]


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_public_names_are_sorted_and_exist(face: ModuleType) -> None:
    assert list(face.__all__) == sorted(face.__all__)
    for name in face.__all__:
        assert hasattr(face, name), name


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_what_a_face_shows_is_public_or_says_why_not(face: ModuleType) -> None:
    """Whatever is importable without an underscore is promised, except modules."""
    shown = {name for name, value in vars(face).items() if not name.startswith("_") and not inspect.ismodule(value)}

    assert shown - {"annotations"} <= set(face.__all__)


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_every_public_class_and_function_has_a_docstring(face: ModuleType) -> None:
    values = [getattr(face, name) for name in face.__all__]

    assert [value for value in values if inspect.isclass(value) or inspect.isfunction(value) if not value.__doc__] == []
