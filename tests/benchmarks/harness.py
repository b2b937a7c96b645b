"""What the benchmarks share: cases measured in turn, one line of JSON each, so that long measurements can be stopped.

A benchmark measures its cases round by round (a, b, c, a, b, c, ...), so that whatever else the machine does falls on
all of them; ratios are formed within a round. CPU seconds are user and system time of a process and all its children.
This process imports nothing large: Linux counts what a parent held at the fork into the peak memory of its child.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

ROOT = Path(__file__).resolve().parents[2]
QUEUE = tempfile.TemporaryDirectory(prefix="toolkit-queue-")  # of its own: waiting for another's run is no work
LONG, ROUNDS_OF_LONG = 300, 3  # seconds of one round from which three rounds must do
NO_SETTING = ("out", "rounds", "only", "sets", "views", "shared", "peers_env")  # options that change no case's figure


class Clock:
    """CPU seconds of this process and its finished children, and wall seconds, since it was made."""

    def __init__(self):
        self.cpu, self.wall = self.used(), time.perf_counter()

    @staticmethod
    def used():
        """CPU seconds so far; those of this process to the nanosecond."""
        return time.process_time() + sum(os.times()[2:4])

    def read(self, prefix=""):
        """{"cpu": ..., "wall": ...}, the names behind `prefix`."""
        return {f"{prefix}cpu": round(self.used() - self.cpu, 3),
                f"{prefix}wall": round(time.perf_counter() - self.wall, 3)}


def command(arguments, marks=None, **environment):
    """Run a command -> (its standard output, {"cpu", "wall" in seconds, "rss_mb": its own peak memory}).

    marks: {field: what the first line holds by which the CPU seconds of the process until then are read off the system
    (Linux)}. Raises RuntimeError with the end of what it said where its exit code is not 0.
    """
    known = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "NO_ALBUMENTATIONS_UPDATE": "1",
             "TOOLKIT_QUEUE": QUEUE.name}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began, marked = time.perf_counter(), {}
        process = subprocess.Popen([str(a) for a in arguments], stdout=subprocess.PIPE if marks else out, stderr=err,
                                   env=known | environment, text=True)
        try:
            for line in process.stdout if marks else ():
                for field, words in marks.items():
                    if words in line and field not in marked:
                        marked[field] = spent(process.pid)
                out.write(line)
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        wall, process.returncode = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
        for file in (out, err):
            file.seek(0)
        text, complaint = out.read(), err.read()
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: {' '.join(map(str, arguments))}\n{complaint[-2000:]}")
    largest = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return text, {"cpu": round(used.ru_utime + used.ru_stime, 3), "wall": round(wall, 3),
                  "rss_mb": round(largest / 1e6, 1)} | marked


def spent(pid):
    """CPU seconds of a process that runs; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def child(file, python=sys.executable, **arguments):
    """Run the `child` part of the benchmark `file` in a process of its own -> what it returned and what it cost."""
    text, cost = command([python, file, "--child", json.dumps(arguments)])
    return cost | last_json(text)


def last_json(text):
    """The last line of `text` that is a JSON object."""
    return json.loads([line for line in text.splitlines() if line.startswith("{")][-1])


class Worker:
    """The `child` part of a benchmark kept alive: it answers one question after the other, between others' turns."""

    def __init__(self, file, python=sys.executable, **arguments):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen([str(python), str(file), "--child", json.dumps(arguments)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def ask(self):
        """The next answer, a dict; the first one waits until the worker has begun."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"a worker ended with exit code {self.process.wait()}")

    def end(self):
        """No more questions."""
        self.process.stdin.close()
        self.process.wait()


def answer(work):
    """In a worker: call `work()` for each question and print the dict it returns."""
    for _ in sys.stdin:
        print(json.dumps(work()), flush=True)


class Bench:
    """One benchmark's measurements in a file of JSON lines; what stands there already is not measured again."""

    def __init__(self, name, options):
        self.name, self.options, self.path = name, options, Path(options.out)
        self.settings = {key: value for key, value in vars(options).items() if key not in NO_SETTING}
        self.settings["weights"] = Path(options.weights).name if options.weights else None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and not self.path.read_text(encoding="utf-8").endswith("\n"):
            self.path.open("a").write("\n")  # after half a line that a kill left
        self.rows = [row for row in read(self.path) if self.mine(row)]
        self.write(machine=machine(ROOT, options.peers_env))

    def mine(self, row):
        """Whether a line is of this benchmark with these settings."""
        return (row["bench"], row["settings"]) == (self.name, json.loads(json.dumps(self.settings)))

    def write(self, **row):
        """Append a line, unless it stands there."""
        row = json.loads(json.dumps({"bench": self.name, "settings": self.settings, **row}))
        if row not in self.rows:
            self.rows.append(row)
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def of(self, case):
        """{round: measurement} of a case."""
        return {row["round"]: row for row in self.rows if row.get("case") == case}

    def run(self, cases, rounds=None):
        """Measure {name: function(round) -> dict} in turn; a function's figures win over the ones taken here."""
        for number in range(rounds or self.options.rounds):
            for case, work in cases.items():
                done = self.of(case)
                long = number >= ROUNDS_OF_LONG and (done.get(0, {}).get("wall") or 0) > LONG
                if number in done or long or not re.search(self.options.only, case):
                    continue
                clock, load = Clock(), os.getloadavg()[0]
                told = work(number)
                row = clock.read() | {"load": round(load, 2)} | told | {"case": case, "round": number}
                self.write(**row)
                shown = {key: value for key, value in row.items() if isinstance(value, (int, float))}
                print(f"{self.name}: {case}: {json.dumps(shown)}", file=sys.stderr, flush=True)

    def compare(self, text, over, under, wanted="", kind="ratio", note=""):
        """State what is compared: the `ratio` or `difference` of two (case, field) and what is wanted, as ">= 20"."""
        self.write(compare=text, over=over, under=under, wanted=wanted, kind=kind, note=note)


def read(path):
    """The lines of a file of measurements; a last line that was cut off is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def main(name, about, run, part=None, rounds=5, **options):
    """Parse the command line, call run(bench, options) and print the table; `part` is what `child` and `Worker` call.

    options: {name: default}, or {name: (default, help)}.
    """
    if sys.argv[1:2] == ["--child"]:
        told = part(**json.loads(sys.argv[2]))
        print(json.dumps(told) if told is not None else "")
        return
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="benchmarks.jsonl", help="file the measurements are appended to; what stands "
                        "there already is not measured again")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"times each case is measured, or seeds; a case of "
                        f"more than {LONG} s is measured {ROUNDS_OF_LONG} times at most")
    parser.add_argument("--only", default="", help="measure only cases whose name holds this regular expression")
    parser.add_argument("--shared", default=os.environ.get("TOOLKIT_SHARED") or str(ROOT.parent / "shared"),
                        help="folder with data/ and peers/ (default: TOOLKIT_SHARED, or shared beside the repository)")
    parser.add_argument("--peers-env", help="folder made by peers/make_env.sh")
    parser.add_argument("--weights", help="weight file of the network, .safetensors with torchvision's names")
    for option, default in options.items():
        value, text = default if isinstance(default, tuple) else (default, "")
        parser.add_argument("--" + option.replace("_", "-"), type=type(value), default=value, help=text)
    chosen = parser.parse_args()
    bench = Bench(name, chosen)
    run(bench, chosen)
    import table

    print(table.markdown(bench.rows))
