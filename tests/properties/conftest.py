"""How the properties are tried: as many examples as `nox -s simulate` asks for, or quickly on a planted bug."""

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "planted_bug",
    max_examples=200,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
if examples := os.environ.get("UNBLINKING_EXAMPLES"):
    settings.register_profile("long", max_examples=int(examples), deadline=None, print_blob=True)
    settings.load_profile("long")
