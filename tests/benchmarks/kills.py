"""Kill a run at random moments, go on with it, and compare its model with that of an unbroken run.

    python tests/benchmarks/kills.py --kills 20 -- DATA --backbone resnet18 --weights FILE [further options of finetune]

Prints a line a kill: how far the run was, and whether model.keras and predictions.csv are equal to the last byte.
"""

import argparse
import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QUEUE = tempfile.TemporaryDirectory(prefix="toolkit-queue-")  # of its own: another's run does not hold it up
COMPARED = ("model.keras", "predictions.csv", "manifest.csv")


def command(arguments, *more):
    return [sys.executable, "-m", "toolkit.finetune", *arguments, *map(str, more)]


def start(line):
    return subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "TOOLKIT_QUEUE": QUEUE.name})


def hashes(folder):
    """{file: sha256} of what must not depend on interruptions."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest()[:12] for name in COMPARED}


def whole(arguments, folder):
    """(hashes, seconds) of an unbroken run."""
    began = time.monotonic()
    process = start(command(arguments, "--run-dir", folder / "run", "--cache-dir", folder / "store"))
    if process.wait():
        raise SystemExit(process.stderr.read())
    return hashes(folder / "run"), time.monotonic() - began


def broken(arguments, folder, moment):
    """(hashes, phase it was killed in) of a run that is killed after `moment` seconds and gone on with.

    (None, None) where it had ended by then.
    """
    run, store = folder / "run", folder / "store"
    process = start(command(arguments, "--run-dir", run, "--cache-dir", store))
    time.sleep(moment)
    if process.poll() is not None:  # too late: it has ended
        return None, None
    process.send_signal(signal.SIGKILL)
    process.wait()
    phase = json.loads((run / "status.json").read_text())["phase"] if (run / "status.json").exists() else "loading"
    if not (run / "run.json").exists():  # nothing to go on with: the folder is empty but for its lock
        line = command(arguments, "--run-dir", run, "--cache-dir", store)
    else:
        line = command([], "--resume", "--run-dir", run)
    process = start(line)
    if process.wait():
        raise SystemExit(f"killed after {moment:.1f} s ({phase}), resume failed: {process.stderr.read()}")
    left = [path.name for path in run.iterdir() if path.name == "scratch" or path.name.startswith(".")]
    assert not left, left
    return hashes(run), phase


def main():
    """The command; exits 1 where any run differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("arguments", nargs="+", help="after --: those of toolkit.finetune")
    chosen = parser.parse_args()
    rng, equal = random.Random(chosen.seed), 0
    with tempfile.TemporaryDirectory() as place:
        reference, seconds = whole(chosen.arguments, Path(place) / "whole")
        print(f"unbroken: {seconds:.1f} s, {reference}", flush=True)
        for number in range(chosen.kills):
            found = None
            for attempt in itertools.count():
                moment = rng.uniform(0.2, 1.0) * seconds
                found, phase = broken(chosen.arguments, Path(place) / f"broken{number}-{attempt}", moment)
                if found:
                    break
            equal += found == reference
            print(f"killed after {moment:.1f} s, {phase}: {'equal' if found == reference else found}", flush=True)
    print(f"{equal} of {chosen.kills} equal")
    return equal != chosen.kills


if __name__ == "__main__":
    sys.exit(main())
