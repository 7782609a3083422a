"""Starts the fuzzing server of Autobahn|Testsuite. Runs on Python 2.7, the last one that the suite runs on.

usage: python2.7 fuzzing_server.py FOLDER PORT OUTDIR     FOLDER: where `pip install --target FOLDER autobahntestsuite` put it
"""

import json
import os
import site
import sys

folder, port, outdir = sys.argv[1:]
site.addsitedir(folder)

from autobahntestsuite.wstest import run  # noqa: E402

spec = os.path.join(outdir, "spec.json")  # noqa: PTH118 - Python 2 knows no pathlib
with open(spec, "w") as file:  # noqa: PTH123
    # 12 and 13 are about compression, which is not offered.
    json.dump(
        {"url": "ws://127.0.0.1:" + port, "outdir": outdir, "cases": ["*"], "exclude-cases": ["12.*", "13.*"]}, file
    )
sys.argv = ["wstest", "-m", "fuzzingserver", "-s", spec]
run()
