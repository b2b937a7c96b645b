"""A run that learns nothing, as a process of its own: worker.py FOLDER HOW toolkit.worker

HOW: hears (ends by its stop file), deaf (by SIGTERM alone), stubborn (by SIGKILL alone), quick (at once).
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from toolkit.run import Run

ROOT = Path(__file__).resolve().parents[2]


def line(folder, how="hears"):
    """The command line of such a process."""
    return [sys.executable, __file__, str(folder), how, "toolkit.worker"]


def begin(folder, how="hears"):
    """The process, once it holds the folder's lock."""
    process = subprocess.Popen(line(folder, how), env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"begun\n"
    return process


def main(folder, how, *_):
    if how == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with Run.create(Path(folder), "finetune", {"data": "/data/cells", "seed": 0}) as run:
        run.progress("running", "tune", 0.5, 10.0, "Tuning.")
        print("begun", flush=True)
        until = time.monotonic() + 60
        while how != "quick" and time.monotonic() < until and not (how == "hears" and run.stop_requested()):
            time.sleep(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
