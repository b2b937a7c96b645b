"""python tests/browser/screens.py RUNS FOLDER [PAGE?parameters ...]: every page as it looks, wide and narrow, light
and dark, as pictures in FOLDER.

RUNS is served as the dashboard would; without pages, those of the newest run are taken.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.browser import harness  # noqa: E402


def addresses(runs):
    """What there is to see of a folder of runs."""
    from toolkit.runs import answers, folders, listing

    found = ["data", "train", "run", "results", "use"]
    finished = [run for run in listing.runs(runs) if run.state.name == "finished"]
    if finished:
        found += [f"{page}?run={finished[0].id}" for page in ("run", "results", "use")]
    found += [f"use?answer={answers.answers(runs)[0].id}"] if answers.answers(runs) else []
    checks = sorted(folder.name for folder in folders.listed(runs, "checks"))
    return found + ([f"data?check={checks[-1]}"] if checks else [])


def main(runs, folder, *pages):
    """Take the pictures and say where they are."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    server = harness.Server(runs).start()
    try:
        with harness.chromium() as browser:
            for scheme in ("light", "dark"):
                with harness.context(browser, server, color_scheme=scheme) as context:
                    page = context.new_page()
                    for address in pages or addresses(runs):
                        take(page, server, address, folder, scheme)
                    for fault in context.watch.faults():
                        print(f"{scheme}: {fault}")
    finally:
        server.end()


def take(page, server, address, folder, scheme):
    """One page at both widths."""
    page.set_viewport_size(harness.WIDE)
    page.goto(f"{server.base}/{address}")
    harness.settled(page)
    page.wait_for_timeout(1200)  # pictures and charts come after
    stem = "".join(c if c.isalnum() else "-" for c in address)[:80]
    for name, size in (("wide", harness.WIDE), ("narrow", harness.NARROW)):
        page.set_viewport_size(size)
        page.wait_for_timeout(400)
        height = page.evaluate("""() => Math.max(...[...document.querySelectorAll(
            '[data-testid=stMain], [data-testid=stAppScrollToBottomContainer], html')].map(one => one.scrollHeight))""")
        page.set_viewport_size({**size, "height": min(6000, max(size["height"], height))})
        page.wait_for_timeout(300)
        path = folder / f"{stem}-{name}-{scheme}.png"
        page.screenshot(path=str(path))
        print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
