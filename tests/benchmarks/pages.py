"""Seconds until each page of the dashboard is there, over 500 runs (20 of them damaged) and 10,000 pictures.

    python tests/benchmarks/pages.py [--rounds 5] [--runs FOLDER] [--no-browser]

script s: the page's script alone, within this process (streamlit.testing), after one run that imports; CPU s: of its
own work, which other work on the machine changes less. browser s: from the address to the page drawn, in Chromium with
a server beside it, after one visit that fills the browser's cache.
Medians over the rounds, with the smallest and largest in brackets. FOLDER is kept, and used again if it is there.
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.apps import make_answers, make_runs  # noqa: E402
from tests.benchmarks.table import grid  # noqa: E402
from tests.runs import make_looks  # noqa: E402
from toolkit.pixels import thumbnails  # noqa: E402
from toolkit.run import FILES  # noqa: E402

RUNS, DAMAGED, PICTURES = 500, 20, 10_000
BIG, SECOND, LIVE, ANSWER = "20260401-090000-big", "20260401-100000-second", "20260401-110000-live", "many"
WITHIN = 2.0  # seconds that a page may take


def pages(look):
    """[(what it shows, page, its parameters)]."""
    return [
        ("data", "data", {}), (f"data, a look at {PICTURES:,}", "data", {"check": look}),
        (f"data, {PICTURES:,} pictures", "data", {"check": look, "show": "pictures"}),
        ("train", "train", {"check": look}), (f"run, {RUNS} runs", "run", {}),
        ("run, one finished", "run", {"run": BIG}),
        ("run, one at work", "run", {"run": LIVE}), ("run, two compared", "run", {"compare": f"{BIG},{SECOND}"}),
        ("results, scores", "results", {"run": BIG}),
        (f"results, {PICTURES:,} pictures", "results", {"run": BIG, "view": "pictures", "show": "all"}),
        ("results, threshold", "results", {"run": BIG, "view": "threshold"}),
        ("results, files", "results", {"run": BIG, "view": "files"}), ("use", "use", {"run": BIG}),
        (f"use, {PICTURES:,} answers", "use", {"answer": ANSWER}),
    ]


def made(root):
    """Fill a folder of runs -> the name of a look at data in it."""
    if not (root / BIG).exists():
        share = sum(part != "train" for part in make_runs.PARTS) / len(make_runs.PARTS)
        for number, name in enumerate((BIG, SECOND)):
            make_runs.finished(root, name, n=round(PICTURES / share), seed=number, data="/data/big")
        for number in range(RUNS - DAMAGED - 3):
            make_runs.finished(root, f"20260301-{number:06}-cells", n=20)
        for number in range(DAMAGED):
            make_runs.damaged(root, f"damaged-{number:02}", list(make_runs.DAMAGES)[number])
        look = make_looks.look(root, "/data/big", manifest=make_looks.rows(PICTURES))
        keys = [hashlib.sha256(str(number).encode()).hexdigest()[:16] for number in range(PICTURES)]
        thumbnails.write(root / ".dashboard" / "checks" / look / FILES["thumbnails"], keys, drawn())
        make_answers.answered(root, ANSWER, run=BIG, n=PICTURES)
    shutil.rmtree(root / LIVE, ignore_errors=True)
    return next(folder.name for folder in (root / ".dashboard" / "checks").iterdir() if folder.is_dir())


def drawn():
    """Small JPEGs, one for each picture of the look."""
    for number in range(PICTURES):
        pixels = np.random.default_rng(number).integers(0, 256, (10, 16, 1), np.uint8).repeat(14, 0).repeat(14, 1)
        yield thumbnails.encode(pixels[:140, :140], 160, 140, "squash")


def by_script(shown, rounds):
    """({what it shows: [seconds]}, {what it shows: [CPU seconds]}) of the pages' scripts."""
    from streamlit.testing.v1 import AppTest

    found, cost = {}, {}
    for words, name, parameters in shown:
        for number in range(rounds + 1):
            page = AppTest.from_file(ROOT / "apps" / "dashboard.py", default_timeout=120)
            page.switch_page(f"views/{name}.py")
            for key, value in parameters.items():
                page.query_params[key] = value
            began, spent = time.perf_counter(), time.process_time()
            page.run()
            took, spent = time.perf_counter() - began, time.process_time() - spent
            if page.exception:
                raise SystemExit(f"{words}: {page.exception[0].message}")
            found.setdefault(words, []).extend([took] if number else [])
            cost.setdefault(words, []).extend([spent] if number else [])
    return found, cost


def by_browser(root, shown, rounds):
    """({what it shows: [seconds]} until the pages are drawn, memory of the server in MB before and after)."""
    from urllib.parse import urlencode

    from tests.browser import harness

    found, server = {}, harness.Server(root).start()
    try:
        with harness.chromium() as browser, harness.context(browser, server) as context:
            page, memory = context.new_page(), []
            for number in range(rounds + 1):
                for words, name, parameters in shown:
                    address = f"{server.base}/{name}" + (f"?{urlencode(parameters)}" if parameters else "")
                    began = time.perf_counter()
                    page.goto(address)
                    page.wait_for_function(harness.RESTS)
                    took = time.perf_counter() - began
                    found.setdefault(words, []).extend([took] if number else [])
                memory.append(resident(server.process.pid))
            for fault in context.watch.faults():
                print(f"fault: {fault}", file=sys.stderr)
    finally:
        server.end()
    return found, memory


def resident(pid):
    """Memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def spread(seconds):
    """The median, with the smallest and largest."""
    if not seconds:
        return "–"
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f}–{max(seconds):.2f})"


def main(options, root):
    """Make the folder, measure, print the table."""
    os.environ["TOOLKIT_RUNS"] = str(root)
    shown = pages(made(root))
    with contextlib.ExitStack() as stack:
        live = stack.enter_context(make_runs.running(root, LIVE, epochs=5))
        live.run.event("tune", step=0)
        script, cost = by_script(shown, options.rounds)
        browser, memory = ({}, []) if options.no_browser else by_browser(root, shown, options.rounds)
    print("\n".join(grid(("page", "script s", "CPU s", "browser s"), [
        (words, spread(script[words]), spread(cost[words]), spread(browser.get(words))) for words, _, _ in shown])))
    if memory:
        print(f"The server holds {memory[0]:.0f} MB after every page once, {memory[-1]:.0f} MB after {len(memory)} "
              "times.")
    slow = [words for words, took in (browser or script).items() if statistics.median(took) > WITHIN]
    print(f"Slower than {WITHIN:g} s: {', '.join(slow) or 'none'}.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--no-browser", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as temporary:
        main(chosen, chosen.runs or Path(temporary) / "runs")
