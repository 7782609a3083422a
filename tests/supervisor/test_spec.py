"""The definition of a tree: a value that is checked when it is built."""

import attrs
import pytest

from supervisor import Backoff, BadTree, Child, Limit, Mailbox, Me, Supervisor, actor, child, collecting_problems


@actor(restart="transient", grace=2.0)
async def strategy(me: Me, trades: Mailbox[int], *, size: int = 1) -> None:
    """Trade."""


@actor(silence=20.0, on={PermissionError: "park"})
@attrs.frozen
class Feed:
    symbol: str

    async def run(self, me: Me) -> None:
        """Feed."""


trades: Mailbox[int] = Mailbox("trades", capacity=10)


def messages(wrong: pytest.ExceptionInfo[BadTree]) -> list[str]:
    return [str(problem) for problem in wrong.value.problems]


def test_an_unknown_option_is_refused_with_the_path_and_a_hint() -> None:
    with pytest.raises(BadTree) as wrong:
        Supervisor("bot", [child("feed", Feed("BTCUSDT"), slience=3.0)])  # type: ignore[call-arg]

    assert messages(wrong) == ["bot/feed: unknown option 'slience'; did you mean 'silence'?"]


def test_an_unknown_option_of_a_supervisor_is_refused() -> None:
    with pytest.raises(BadTree) as wrong:
        Supervisor("bot", [], stratgy="one_for_all")  # type: ignore[call-arg]

    assert "bot: unknown option 'stratgy'" in messages(wrong)[0]


def test_inside_collecting_problems_all_are_reported_with_paths_from_the_root() -> None:
    with collecting_problems():
        inner = Supervisor("watch", [child("feed", Feed("A"), graec=1)], restart="sometimes")  # type: ignore[call-arg,arg-type]
        tree = Supervisor("bot", [inner, strategy.child("s", trades).with_(grace=-1.0)])
    with pytest.raises(BadTree) as wrong:
        tree.check()

    paths = [problem.path for problem in wrong.value.problems]
    assert paths == ["bot/watch", "bot/watch/feed", "bot/s"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"restart": "always"}, "restart must be one of"),
        ({"grace": -1}, "grace must be a number of seconds >= 0"),
        ({"grace": float("inf")}, "grace must be a number of seconds >= 0"),
        ({"silence": 0}, "silence must be a number of seconds > 0"),
        ({"max_failures": 0}, "max_failures must be a whole number >= 1"),
        ({"on": {"OSError": "park"}}, "must have exception classes as keys"),
        ({"on": {OSError: "explode"}}, "must map to one of"),
        ({"on": [OSError]}, "must map exception classes to actions"),
        ({"backoff": 3}, "backoff must be a Backoff"),
        ({"backoff": Backoff(floor=5.0, base=1.0)}, "floor <= base <= cap"),
        ({"restart": "temporary", "first_start": "retry"}, "contradicts first_start='retry'"),
        ({"restart": "temporary", "on": {OSError: "restart"}}, "contradicts on="),
    ],
)
def test_wrong_and_contradicting_options_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(BadTree, match="bot/feed") as wrong:
        Supervisor("bot", [child("feed", Feed("A"), **options)])  # type: ignore[arg-type]

    assert said in str(wrong.value)


@pytest.mark.parametrize("limit", [Limit(-1), Limit(True), Limit(1, within=0.0), Limit(1, then="stop"), 3])  # type: ignore[arg-type]
def test_wrong_limits_are_refused(limit: Limit) -> None:
    with pytest.raises(BadTree, match="bot: limit"):
        Supervisor("bot", [], limit=limit)


def test_two_children_of_one_name_are_refused() -> None:
    with pytest.raises(BadTree, match="bot: 2 children are named 'a'"):
        Supervisor("bot", [child("a", Feed("A")), child("a", Feed("B"))])


@pytest.mark.parametrize("name", ["", "a/b", "a\nb", None])
def test_names_that_cannot_be_part_of_a_path_are_refused(name: str) -> None:
    with pytest.raises(BadTree, match="a name must be printable text"):
        Supervisor("bot", [child(name, Feed("A"))])


def test_arguments_that_the_actor_does_not_take_are_refused_when_the_tree_is_built() -> None:
    with pytest.raises(BadTree, match=r"bot/s: strategy\(\): missing a required argument: 'trades'"):
        Supervisor("bot", [strategy.child("s")])  # type: ignore[call-arg]


@pytest.mark.parametrize("wrong", [strategy, Feed("A"), Feed, "feed", None])
def test_what_is_not_a_child_is_refused_with_what_to_write(wrong: object) -> None:
    with pytest.raises(BadTree, match="bot: child 0"):
        Supervisor("bot", [wrong])  # type: ignore[list-item]


def test_a_class_instead_of_an_instance_is_refused() -> None:
    with pytest.raises(BadTree, match=r"an instance is wanted: Feed\(...\)"):
        Supervisor("bot", [child("feed", Feed)])  # type: ignore[arg-type]


def test_an_actor_without_async_run_is_refused() -> None:
    class Blocking:
        def run(self, me: Me) -> None:
            """Not asynchronous."""

    with pytest.raises(BadTree, match="must be 'async def run"):
        Supervisor("bot", [child("feed", Blocking())])  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["silence", "ready_within", "grace", "bound"])
def test_options_that_mean_nothing_for_a_supervisor_are_refused(option: str) -> None:
    with pytest.raises(BadTree, match=f"bot: {option}: a supervisor"):
        Supervisor("bot", [], **{option: 1.0})  # type: ignore[arg-type]


def test_the_actor_carries_defaults_and_the_place_of_use_overrides_them() -> None:
    used = strategy.child("s", trades).with_(grace=9.0)

    assert (used.policy.restart, used.policy.grace) == ("transient", 9.0)
    assert strategy.child("s", trades).policy.grace == 2.0


def test_trees_of_equal_parts_are_equal_and_changing_one_option_makes_them_differ() -> None:
    def tree(grace: float) -> Supervisor:
        return Supervisor("bot", [strategy.child("s", trades).with_(grace=grace), child("f", Feed("A"))])

    assert tree(1.0) == tree(1.0)
    assert tree(1.0) != tree(2.0)


def test_a_tree_cannot_be_changed() -> None:
    tree = Supervisor("bot", [child("f", Feed("A"))])

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        tree.name = "other"  # type: ignore[misc]


def test_a_tree_prints_as_a_tree_with_what_differs_from_the_defaults() -> None:
    tree = Supervisor(
        "bot", [Supervisor("in", [child("f", Feed("A"))], strategy="rest_for_one"), strategy.child("s", trades)]
    )

    assert str(tree).splitlines() == [
        "bot  one_for_one, at most 10 restarts in 60 s, then escalate, permanent",
        "├─ in  rest_for_one, at most 10 restarts in 60 s, then escalate, permanent",
        "│  └─ f  Feed, permanent, on PermissionError: park, silence 20 s",
        "└─ s  strategy(), transient, grace 2 s",
    ]


async def test_a_decorated_function_is_still_that_function() -> None:
    called: list[int] = []

    @actor(restart="temporary")
    async def act(me: object, number: int) -> None:
        called.append(number)

    await act(None, 3)

    assert called == [3]
    assert isinstance(act.child("a", 3), Child)
