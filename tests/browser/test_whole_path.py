"""From nothing to a model in one's hands, as a person goes: every step by what stands on the page."""

import json
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.browser import harness
from tests.browser.conftest import watched

PATIENCE = 240  # seconds for what computes, on a machine that has other things to do too
PROBABILITY = r"^(\w+) ([01]\.\d{3})$"  # a line of the dialog
WITHOUT = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "toolkit":
            raise ImportError("the toolkit is not installed here")
sys.meta_path.insert(0, Refuse())
"""


@pytest.fixture
def place(browser, tmp_path):
    """(page, server, folder of runs) with nothing in it yet."""
    server = harness.Server(tmp_path / "runs").start()
    try:
        with watched(browser, server, accept_downloads=True) as page:
            yield page, server, tmp_path / "runs"
    finally:
        server.end()


def test_G1_from_the_sample_to_a_model_in_plain_keras(place, tmp_path):
    page, server, runs = place
    look_at_the_sample(page, server)
    folder = train(page, runs)
    results(page, folder)
    shown = predict(page, server, folder, tmp_path)
    elsewhere(page, server, folder, tmp_path, shown)


def look_at_the_sample(page, server):
    """The first page, and what is wrong with the sample."""
    page.context.clear_cookies()
    page.goto(server.address)
    page.get_by_role("button", name="Try with sample data").click()
    page.wait_for_url("**/data?check=*")
    page.get_by_role("button", name="Go on to training").wait_for(timeout=1000 * PATIENCE)
    harness.settled(page)
    harness.says(page, "3 of 346 pictures cannot be read")


def train(page, runs):
    """A fast run, watched to its end -> its folder."""
    page.get_by_role("button", name="Go on to training").click()
    page.get_by_role("radio", name=re.compile("^Fast")).check(force=True)
    harness.settled(page)
    harness.says(page, "--preset fast")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/run?run=*")
    page.get_by_role("progressbar").first.wait_for()
    page.get_by_role("button", name="See the results").wait_for(timeout=1000 * PATIENCE)
    folder, = (one for one in runs.iterdir() if not one.name.startswith("."))
    assert json.loads((folder / "run.json").read_text())["state"] == "finished" and folder.name in page.url
    return folder


def results(page, folder):
    """The verdict, exactly the pictures of a cell of the matrix, and a threshold that is kept."""
    scores = json.loads((folder / "metrics.json").read_text())["test"]
    page.get_by_role("button", name="See the results").click()
    page.wait_for_url("**/results?run=*")
    harness.settled(page)
    harness.says(page, re.escape(f"{scores['roc_auc']['value']:.3f}"))
    page.get_by_text("Pictures", exact=True).first.click()
    chart = page.get_by_role("graphics-document").or_(page.locator("canvas.marks, svg.marks")).first
    chart.wait_for()
    harness.settled(page)
    box = chart.bounding_box()
    chart.click(position={"x": 0.6 * box["width"], "y": 0.62 * box["height"]})  # the middle of three
    page.wait_for_url("**cell=1%2C1**")
    harness.settled(page)
    grid = page.locator(".grid button, .grid [role=button]")
    harness.until(lambda: grid.count() == min(24, scores["confusion"][1][1]), 30, "the pictures of the cell are shown")
    page.get_by_text("Threshold", exact=True).first.click()
    page.get_by_role("combobox", name=re.compile("Class that is marked")).click()
    page.get_by_role("option", name="monocyte").click()
    page.get_by_role("button", name="Keep this threshold").click()
    kept = harness.until(lambda: (folder / "thresholds.json").exists() and json.loads(
        (folder / "thresholds.json").read_text()), 30, "the threshold is kept")
    assert kept["thresholds"]["monocyte"]["threshold"] == 0.5


def predict(page, server, folder, tmp_path):
    """Pictures through the browser, in a zip -> {name: {class: probability}} as the page shows them."""
    from toolkit.data.samples import cells

    source = cells.make().parent / "pictures"
    some = sorted(path for path in source.iterdir() if path.suffix == ".png" and "broken" not in path.name)[:12]
    with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
        for path in some:
            archive.write(path, path.name)
        archive.writestr("page.png", "<html>")
    shutil.copy(some[0], tmp_path / "new.png")
    harness.visit(page, server, "use", run=folder.name)
    page.locator("input.pick-files").set_input_files(tmp_path / "new.zip")
    page.get_by_text("arrived.").wait_for()
    page.get_by_role("button", name="Predict").click()
    page.wait_for_url("**answer=*")
    page.get_by_text("Download the table").wait_for(timeout=1000 * PATIENCE)
    harness.settled(page)
    harness.says(page, "Above your threshold")
    harness.says(page, "Could not be read")
    page.goto(f"{page.url}&picture=0")
    harness.settled(page)
    dialog = page.get_by_role("dialog")
    harness.says(dialog, re.escape(some[0].name))
    harness.says(dialog, PROBABILITY)
    return {name: float(value) for name, value in re.findall(PROBABILITY, dialog.inner_text(), re.M)}


def elsewhere(page, server, folder, tmp_path, shown):
    """The model as the browser saves it, by the lines that the page shows, where there is no toolkit."""
    harness.visit(page, server, "use", run=folder.name)
    with page.expect_download() as saved:
        page.get_by_role("link", name=re.compile("model.keras")).click()
    saved.value.save_as(tmp_path / "model.keras")
    code = page.locator("[data-testid=stCode]", has_text="load_model").inner_text()
    assert str(folder / "model.keras") in code
    code = code.replace(str(folder / "model.keras"), str(tmp_path / "model.keras")).replace(
        "new.png", str(tmp_path / "new.png"))
    done = subprocess.run([sys.executable, "-c", WITHOUT + code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1].replace("'", '"'))
    assert set(found) == set(shown) and all(abs(found[name] - shown[name]) <= 6e-4 for name in shown), (found, shown)
