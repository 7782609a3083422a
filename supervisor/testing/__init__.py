"""For testing your own tree: actors that fail on cue, a runner on the virtual clock, and the laws as checks.

`supervisor.testing.strategies` has Hypothesis strategies; import it only where Hypothesis is installed.
"""

from __future__ import annotations

from ._cues import ENDINGS as ENDINGS
from ._cues import Boom as Boom
from ._cues import Cue as Cue
from ._cues import Lived as Lived
from ._cues import OnCue as OnCue
from ._cues import Recorder as Recorder
from ._cues import crash_masked_by_cancelled as crash_masked_by_cancelled
from ._cues import raise_foreign_cancelled as raise_foreign_cancelled
from ._laws import check_failure_conservation as check_failure_conservation
from ._laws import check_order_and_end as check_order_and_end
from ._laws import check_restarts_keep_their_delays as check_restarts_keep_their_delays
from ._laws import walk as walk
from ._model import Line as Line
from ._model import expected as expected
from ._runner import Step as Step
from ._runner import Trace as Trace
from ._runner import inline_threads as inline_threads
from ._runner import run_virtually as run_virtually
from ._runner import seeded_scheduler as seeded_scheduler
from ._runner import trace as trace

__all__ = [
    "ENDINGS",
    "Boom",
    "Cue",
    "Line",
    "Lived",
    "OnCue",
    "Recorder",
    "Step",
    "Trace",
    "check_failure_conservation",
    "check_order_and_end",
    "check_restarts_keep_their_delays",
    "crash_masked_by_cancelled",
    "expected",
    "inline_threads",
    "raise_foreign_cancelled",
    "run_virtually",
    "seeded_scheduler",
    "trace",
    "walk",
]
