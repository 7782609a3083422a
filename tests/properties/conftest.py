"""How many examples the properties try: Hypothesis's default, or as many as `nox -s simulate` asks for."""

import os

from hypothesis import settings

if examples := os.environ.get("UNBLINKING_EXAMPLES"):
    settings.register_profile("long", max_examples=int(examples), deadline=None)
    settings.load_profile("long")
