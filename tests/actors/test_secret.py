"""A secret is read late, and never shown."""

import copy
import json
import logging
import pickle
import traceback
from pathlib import Path

import attrs
import pytest

from actors._account_source import Question
from actors._errors import SecretMissing
from actors._messages import Key, Rotate
from actors._secret import Secret
from actors._session import Session
from actors._source import Ask, Door, HttpReply, HttpRequest

VALUE = "s3cr3t-v4lu3"


def all_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Secret]:
    monkeypatch.setenv("UNBLINKING_TEST_KEY", VALUE)
    file = tmp_path / "key"
    file.write_text(VALUE + "\n")
    return [Secret.env("UNBLINKING_TEST_KEY"), Secret.file(file), Secret.of(lambda: VALUE), Secret.literal(VALUE)]


def test_every_kind_reveals_the_value_without_surrounding_white_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [secret.reveal() for secret in all_kinds(tmp_path, monkeypatch)] == [VALUE] * 4


def test_no_way_of_printing_shows_the_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @attrs.frozen
    class Config:
        key: Secret

    for secret in all_kinds(tmp_path, monkeypatch):
        ways = [
            repr(secret),
            str(secret),
            f"{secret}",
            f"{secret!r:>20}",
            f"{secret:>40}",
            "%s %r" % (secret, secret),  # noqa: UP031 - one way of many
            repr(Config(secret)),
            repr([secret]),
            logging.LogRecord("x", 20, "f", 1, "%s", (secret,), None).getMessage(),
            "".join(traceback.format_exception(ValueError(secret))),
        ]
        assert all(VALUE not in way and "***" in way for way in ways), ways


@pytest.mark.parametrize(
    "carrier",
    [
        Ask("login", VALUE, ()),
        Door(f"wss://venue/{VALUE}", key=VALUE),
        HttpReply(200, {"set-cookie": VALUE}, VALUE.encode()),
        HttpRequest("POST", "/orders", f"signature={VALUE}", (("X-KEY", VALUE),), content=VALUE.encode()),
        Key(Session(), VALUE),
        Question("POST", "/orders", (("listenKey", VALUE),), VALUE.encode()),
        Rotate(VALUE, "extended in vain", over=True),
    ],
    ids=lambda carrier: type(carrier).__name__,
)
def test_what_carries_a_key_or_a_signature_shows_neither(carrier: object) -> None:
    shown = repr(carrier) + str(carrier) + f"{[carrier]}"
    assert VALUE not in shown


def test_a_secret_cannot_be_pickled_or_serialised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for secret in all_kinds(tmp_path, monkeypatch):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(secret)
        with pytest.raises(TypeError):
            json.dumps(secret)
        assert not hasattr(secret, "__dict__")


def test_a_copy_is_the_same_object() -> None:
    secret = Secret.literal(VALUE)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_equality_is_by_source_and_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", VALUE)
    monkeypatch.setenv("B_KEY", VALUE)

    def never() -> str:
        raise AssertionError("read")

    assert Secret.env("A_KEY") == Secret.env("A_KEY")
    assert hash(Secret.env("A_KEY")) == hash(Secret.env("A_KEY"))
    assert Secret.env("A_KEY") != Secret.env("B_KEY")
    assert Secret.env("A_KEY") != Secret.literal(VALUE)
    assert Secret.of(never) == Secret.of(never)
    assert Secret.literal(VALUE) == Secret.literal(VALUE)
    assert Secret.literal(VALUE) != Secret.literal("other")
    assert Secret.literal(VALUE) != VALUE
    assert hash(Secret.literal(VALUE)) == hash(Secret.literal("other")), "a hash would be a fingerprint"


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(SecretMissing, match="NO_SUCH_KEY is not set"):
        Secret.env("NO_SUCH_KEY").reveal()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing, match="no-such-file"):
        Secret.file(tmp_path / "no-such-file").reveal()


def test_an_unreadable_file_is_reported_without_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\xff\xfe" + VALUE.encode())
    with pytest.raises(SecretMissing, match="not UTF-8") as caught:
        Secret.file(file).reveal()
    assert VALUE not in "".join(traceback.format_exception(caught.value))


def test_an_empty_secret_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY_KEY", " \n")
    with pytest.raises(SecretMissing, match="EMPTY_KEY is empty"):
        Secret.env("EMPTY_KEY").reveal()


def test_a_failing_function_is_named_and_its_message_is_not_repeated() -> None:
    def vault() -> str:
        raise RuntimeError(VALUE)

    with pytest.raises(SecretMissing, match="vault raised RuntimeError") as caught:
        Secret.of(vault).reveal()
    assert VALUE not in "".join(traceback.format_exception(caught.value))


def test_a_function_that_gives_no_text_is_refused() -> None:
    with pytest.raises(SecretMissing, match="returned bytes"):
        Secret.of(lambda: b"key").reveal()  # type: ignore[arg-type,return-value]


def test_a_value_where_a_function_belongs_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="literal"):
        Secret.of(VALUE)  # type: ignore[arg-type]
