"""One planted bug: what somebody once did wrong, as a change of one place of the code."""

from __future__ import annotations

import attrs


@attrs.frozen
class Bug:
    """A bug to plant.

    Attributes:
        name: What is wrong with it, in one line.
        source: Who made it: an issue of another library, or a fact about one.
        file: Below the repository's root.
        line: The code as it is; it stands in the file exactly once.
        broken: What stands there instead.
        proof: What must find it: arguments of pytest.
        survives: Why no test can find it; empty: one must.
    """

    name: str
    source: str
    file: str
    line: str
    broken: str
    proof: tuple[str, ...]
    survives: str = ""
