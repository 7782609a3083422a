"""Draws the states of a child from the table that the machine obeys: `python docs/draw_states.py` writes the picture."""

from pathlib import Path

from supervisor._state import TRANSITIONS

PICTURE = Path(__file__).parent / "reference" / "states.txt"
COLUMN = 11


def draw() -> str:
    """Return the picture: a column for each state, an arrow for each move, and what makes it."""
    states = list(TRANSITIONS)
    width = COLUMN * len(states)
    lines = ["".join(state.ljust(COLUMN) for state in states).rstrip()]
    for source, moves in TRANSITIONS.items():
        lines.append(_rails(states, width).rstrip())
        for target, why in moves.items():
            line = list(_rails(states, width))
            start, end = (states.index(state) * COLUMN for state in (source, target))
            low, high = sorted((start, end))
            line[low + 1 : high] = "─" * (high - low - 1)
            line[start] = "├" if end > start else "┤"
            line[end] = "▶" if end > start else "◀"
            lines.append("".join(line) + why)
    return "\n".join(lines) + "\n"


def _rails(states: list[str], width: int) -> str:
    return "".join("│".ljust(COLUMN) for _ in states).ljust(width)


if __name__ == "__main__":
    PICTURE.write_text(draw())
