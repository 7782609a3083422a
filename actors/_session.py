"""What tells one connection from the next."""

from __future__ import annotations

import attrs


@attrs.frozen(eq=False)
class Session:
    """One connection, from the first attempt to its end.

    Compared by identity: a late message about an earlier connection is never taken for one about the present one.
    """
