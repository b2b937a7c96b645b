"""The page Data: ways to bring pictures, and what a look at them found; decisions are kept, pictures never touched."""

import json
import re

import pytest

from apps.parts import decide, found, look
from tests.apps import pages
from tests.apps.pages import words
from tests.runs import make_looks
from toolkit.data import edits
from toolkit.runs import checks, collecting, folders, launch, listing, uploads

HOSTILE = ("<script>alert(1)</script>", "![x](http://evil.example/p.png)", "=cmd()|A1", "a\u202eb", "**bold**")


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("TOOLKIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "runs"


@pytest.fixture
def begun(monkeypatch):
    """The command lines that were started, in place of their processes."""
    lines = []
    monkeypatch.setattr(launch, "spawn", lambda stem, line: lines.append(line[2:]))
    return lines


def opened(**parameters):
    return pages.opened("data", **parameters)


def labels(page):
    return [one.label for one in page.button]


def test_the_first_page_promises_and_offers(root):
    page = opened()
    assert "Everything stays on this computer" in words(page)
    assert {"Try with sample data", "Train on the sample", "Look at these pictures"} <= set(labels(page))


def test_the_sample_is_looked_at_by_one_press_and_found_again_by_the_next(root, begun):
    page = opened()
    page.button(key="data-sample").click().run()
    name = page.query_params["check"][0] if isinstance(page.query_params["check"], list) else page.query_params["check"]
    assert begun == [["toolkit.check", "sample:cells", "--no-features", "--run-dir",
                      str(root / folders.KINDS["checks"] / name)]]
    assert checks.named(root, name)


def test_the_sample_is_trained_on_by_one_press(root, begun, monkeypatch):
    gone = []
    monkeypatch.setattr("apps.parts.frame.go", lambda name, **more: gone.append((name, more)))
    opened().button(key="data-sample-train").click().run()
    assert begun[0][:4] == ["toolkit.finetune", "sample:cells", "--preset", "fast"] and gone[0][0] == "run"


def test_a_folder_is_looked_at(root, begun, tmp_path):
    (tmp_path / "leaves").mkdir()
    page = opened()
    page.text_input(key="data-path").set_value("~/leaves")
    page.button(key="data-path-taken").click().run()
    assert begun[0][:2] == ["toolkit.check", str(tmp_path / "leaves")] and not page.exception


def test_A4_a_typo_is_answered_by_the_near_name_on_a_button(root, begun, tmp_path):
    (tmp_path / "leaves").mkdir()
    page = opened()
    page.text_input(key="data-path").set_value(str(tmp_path / "leafes"))
    page.button(key="data-path-taken").click().run()
    assert "does not exist" in words(page) and not begun
    page.button(key="data-near").click().run()
    assert page.text_input(key="data-path").value == str(tmp_path / "leaves") and not page.error


def test_the_address_fills_the_field_and_begins_nothing(root, begun, tmp_path):
    page = opened(data=str(tmp_path))
    assert page.text_input(key="data-path").value == str(tmp_path) and not begun


def test_folders_are_browsed_without_typing(root, tmp_path):
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    page = opened()
    page.expander[0].open = True
    page.session_state["data-browse"] = True
    page.run()
    page.selectbox[0].set_value("deep").run()
    assert page.session_state["data-here"] == str(tmp_path / "deep")
    page.button(key="data-take").click().run()
    assert page.text_input(key="data-path").value == str(tmp_path / "deep")


def test_a_table_has_its_columns_mapped(root, begun, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("slide image,what,patient\na.png,x,1\nb.png,y,2\n")
    page = opened(data=str(table))
    boxes = {one.label: one for one in page.selectbox}
    assert boxes["What belongs together (patient, plant, lot)"].value == "patient"
    boxes["Picture's file"].set_value("slide image")
    boxes["Class"].set_value("what")
    page.button(key="data-columns-taken").click().run()
    line = begun[0]
    assert line[:2] == ["toolkit.check", str(table)] and not page.exception
    assert [line[line.index(name) + 1] for name in ("--path-column", "--label-column", "--group-column")] == [
        "slide image", "what", "patient"]


def brought(root, *names):
    """Pictures that came class by class -> the collection."""
    collection = collecting.new()
    for name in names:
        upload = collecting.new()
        uploads.place(root, upload).mkdir()
        (uploads.place(root, upload) / "1.png").write_bytes(b"1")
        collecting.add(root, collection, name, upload)
    return collection


def test_classes_that_have_come_are_in_the_address_and_looked_at(root, begun):
    collection = brought(root, "healthy", HOSTILE[4])
    page = opened(way="files", collect=collection)
    assert f"{HOSTILE[4]}**, 1 picture" in words(page)
    page.button(key="data-look-collected").click().run()
    assert begun[0][1] == str(collecting.folder(root, collection))


def test_one_class_is_not_enough_and_can_be_removed(root):
    page = opened(way="files", collect=brought(root, "healthy"))
    assert "Name a second class" in words(page) and "Look at these pictures" not in labels(page)
    page.button(key="data-drop-0").click().run()
    assert "healthy" not in words(page) and not page.exception


def test_what_came_before_can_go_unless_a_run_needs_it(root, monkeypatch):
    collection = brought(root, "a", "b")
    page = opened(way="zip")
    page.session_state["data-kept"] = True
    monkeypatch.setattr(uploads, "needed_by", lambda root, upload: ["first"])
    page.run().button(key=f"data-kept-delete-{collection}").click().run()
    assert "belong to first" in words(page) and collecting.classes(root, collection)
    monkeypatch.setattr(uploads, "needed_by", lambda root, upload: [])
    page.button(key=f"data-kept-delete-{collection}").click().run()
    assert not collecting.classes(root, collection) and not page.exception


@pytest.mark.parametrize("way", ["zip", "files", "table"])
def test_every_way_is_offered(root, way):
    assert opened(way=way).button_group[0].value == way


def test_H2_an_unknown_look_is_met_by_a_friendly_word(root):
    for name in ("0123456789ab-1", "../../etc", "x" * 300):
        page = opened(check=name)
        assert "not here any more" in words(page) and "Try with sample data" in labels(page)


def test_a_look_that_is_under_way_shows_how_far_it_is(root):
    name = make_looks.look(root, state="running")
    with open(root / folders.KINDS["checks"] / name / "lock") as lock:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX)
        page = opened(check=name)
    assert "Stop" in labels(page) and "It goes on when this page is closed" in words(page)


def test_what_was_found_is_shown(root):
    page = opened(check=make_looks.look(root, groups=10, unreadable=[["c.png", "x", "empty file (0 bytes)"]]))
    metrics = {one.label: one.value for one in page.metric}
    assert metrics == {"Pictures": "30", "Classes": "2", "Groups": "10", "Not read": "1"}
    table = page.dataframe[0].value
    assert list(table.columns) == ["Class", "Training", "Validation", "Test", "All"] and table["All"].iloc[-1] == 30
    assert "nearly black" in words(page) and "Go on to training" in labels(page)
    assert page.code[-1].value == "python -m toolkit.check sample:cells"


def test_A7_unreadable_and_passed_over_files_are_named(root):
    page = opened(show="left-out", check=make_looks.look(
        root, unreadable=[["c.dcm", "x", "DICOM, which wants pydicom"]], left_out=[["b.txt", "no picture"]],
        skipped={"no picture": 1}))
    shown = [list(one.value.iloc[0]) for one in page.dataframe[1:]]
    assert ["c.dcm", "x", "DICOM, which wants pydicom"] in shown and ["no picture", 1] in shown
    assert ["b.txt", "no picture"] in shown and "toolkit[dicom]" in words(page)  # A12


def test_what_a_run_would_refuse_is_said_and_not_led_on(root):
    name = make_looks.look(root, state="failed", message="only one class, 'a'; at least two are needed")
    page = opened(check=name)
    assert "only one class" in words(page) and "Go on to training" not in labels(page)
    assert {"Look again", "Go on with other options"} <= set(labels(page))


def test_what_can_still_be_looked_at_of_refused_data_is_shown(root):
    name = make_looks.look(root, found=make_looks.findings({"check": "refused", "severity": "error", "pictures": [],
                                                            "sentence": "too many unreadable", "remedy": ""}))
    here = root / folders.KINDS["checks"] / name / "run.json"
    here.write_text(here.read_text().replace('"finished"', '"failed"').replace('"done"', '"too many unreadable"'))
    page = opened(check=name)
    assert words(page).count("too many unreadable") == 1 and page.metric[0].value == "30"


def test_I9_a_damaged_look_is_said(root):
    name = make_looks.look(root)
    (root / folders.KINDS["checks"] / name / "manifest.csv").write_text("junk")
    assert "damaged" in words(opened(check=name))


def test_H6_ten_thousand_pictures_come_by_pages(root):
    page = opened(check=make_looks.look(root, manifest=make_looks.rows(10_000)), show="pictures", page="167")
    assert "9,961 to 10,000 of 10,000" in words(page)


def test_pictures_are_filtered_by_class_and_part(root):
    page = opened(check=make_looks.look(root, manifest=make_looks.rows(1000)), show="pictures", **{"class": "benign"},
                  part="test")
    assert re.search(r"1 to 60 of \d\d", words(page)) and page.selectbox[0].value == "benign"


def test_decisions_are_kept_shown_and_taken_back(root, begun):
    name = make_looks.look(root)
    page = opened(check=name, picture="4")
    page.button(key="data-out").click().run()
    path, _ = checks.edits_file(root, "sample:cells")
    assert [json.loads(line)["path"] for line in path.read_text().splitlines()] == ["benign/4.png"]
    page.button(key="data-class-1").click().run()
    page = opened(check=name, show="left-out")
    assert "1 decision" not in words(page) and "2 decisions since this look" in words(page)
    assert "benign/4.png" in words(page)
    page.button(key="data-back-0").click().run()
    assert edits.standing(edits.read(path)) == {} and not page.exception


def test_looking_again_takes_the_decisions_along(root, begun):
    name = make_looks.look(root)
    path, _ = checks.edits_file(root, "sample:cells")
    checks.decide(path, checks.pictures(root / folders.KINDS["checks"] / name)[0], "exclude")
    opened(check=name).button(key="data-again-decided").click().run()
    assert begun[0][:4] == ["toolkit.check", "sample:cells", "--edits", str(path)] and begun[0][-1].endswith("-2")


def test_wrong_labels_are_looked_for_by_a_further_press(root, begun, monkeypatch):
    name = make_looks.look(root)
    assert "Look for wrong labels" not in labels(opened(check=name))  # it was begun with the network
    monkeypatch.setattr(checks, "asked", lambda root, name: ["sample:cells", "--no-features", "--seed", "3"])
    opened(check=name).button(key="data-deeper").click().run()
    assert begun[0][:4] == ["toolkit.check", "sample:cells", "--seed", "3"] and "--no-features" not in begun[0]


def test_all_pictures_of_a_finding_can_be_left_out(root):
    opened(check=make_looks.look(root)).button(key="data-finding-0-out").click().run()
    assert [one.path for one in edits.read(checks.edits_file(root, "sample:cells")[0])] == ["benign/2.png"]


PAIRS = [["benign/2.png", "malignant/3.png"], ["benign/4.png", "benign/6.png"]]


def bundled(check, bundles=PAIRS, severity="warning"):
    return {"check": check, "severity": severity, "sentence": "Some.", "remedy": "Look.", "bundles": bundles,
            "pictures": [path for bundle in bundles for path in bundle]}


DOUBTED = {"check": "label errors", "severity": "warning", "sentence": "2 labels look wrong.", "remedy": "Look.",
           "pictures": ["benign/8.png", "malignant/9.png"], "scores": [.9, .97], "suggested": ["malignant", "benign"]}


def standing(root):
    """{picture: {action: value}} of what stands."""
    path = checks.edits_file(root, "sample:cells")[0]
    return {picture: {action: edit.value for action, edit in actions.items()}
            for picture, actions in edits.standing(checks.decisions(path)).items()}


def test_copies_go_by_one_click_and_come_back_by_the_next(root):
    name = make_looks.look(root, found=[bundled("near duplicates")])
    page = opened(check=name)
    page.button(key="data-finding-0-0-0").click().run()
    assert standing(root) == {"malignant/3.png": {"exclude": ""}}
    assert page.button(key="data-finding-0-0-0").disabled and "1 decision since this look" in words(page)
    page.button(key="data-finding-0-0-back").click().run()
    assert standing(root) == {} and not page.exception


def test_a_cluster_is_kept_together_and_the_last_press_undone(root):
    page = opened(check=make_looks.look(root, found=[bundled("near duplicates")]))
    page.button(key="data-finding-0-1-1").click().run()
    (group,) = {actions["regroup"] for actions in standing(root).values()}
    assert set(standing(root)) == set(PAIRS[1]) and group.startswith("near-")
    page.button(key="data-finding-0-all-0").click().run()
    assert standing(root)["malignant/3.png"] == {"exclude": ""} and len(standing(root)["benign/6.png"]) == 2
    page.button(key="data-undo-last").click().run()
    assert {path: list(actions) for path, actions in standing(root).items()} == dict.fromkeys(PAIRS[1], ["regroup"])
    assert "data-undo-last" not in [one.key for one in page.button] and not page.exception


def test_a_picture_under_two_classes_is_given_one_or_left_out(root):
    page = opened(check=make_looks.look(root, found=[bundled("label conflicts", PAIRS[:1])]))
    assert {"All are benign", "All are malignant", "Leave all out"} <= set(labels(page))
    page.button(key="data-finding-0-0-1").click().run()
    assert standing(root) == {"benign/2.png": {"relabel": "malignant"}}
    page.button(key="data-finding-0-0-2").click().run()
    assert {path: actions["exclude"] for path, actions in standing(root).items()} == dict.fromkeys(PAIRS[0], "")


def test_a_doubted_label_is_given_up_and_taken_back(root):
    name = make_looks.look(root, found=[DOUBTED])
    page = opened(check=name, picture="8")
    assert "labelled benign, looks like malignant, 10 % for its label" in words(page)
    seen = look.opened(listing.entry(root, name, checks.KIND))
    assert found.by_score(seen.findings[0]) == ["malignant/9.png", "benign/8.png"]
    cell = found.doubt(seen, seen.pictures[9])
    assert (cell["badge"], cell["action"], cell["caption"]) == ("benign?", "It is benign", "malignant, 3 % likely")
    found.settle(seen, "9")
    assert standing(root) == {"malignant/9.png": {"relabel": "benign"}}
    seen = look.opened(listing.entry(root, name, checks.KIND))
    assert found.doubt(seen, seen.pictures[9])["action"] == "Take back"
    found.settle(seen, "9")
    for odd in ("", "-1", "30", "999999999999", "\u0663x"):
        found.settle(seen, odd)
    assert standing(root) == {}


def test_H6_thousands_of_clusters_come_by_pages(root):
    rows = list(make_looks.rows(10_000))
    bundles = [[rows[n][0], rows[n + 1][0]] for n in range(0, 10_000, 2)]
    everything = DOUBTED | {"pictures": [row[0] for row in rows], "scores": [.9] * 10_000,
                            "suggested": ["malignant", "benign"] * 5000}
    page = opened(check=make_looks.look(root, manifest=rows, found=[bundled("near duplicates", bundles), everything]),
                  **{"finding-0": "834", "finding-1": "2"})
    assert "4,999 to 5,000 of 5,000" in words(page) and "13 to 24 of 10,000" in words(page)
    assert sum(label == "Keep together" for label in labels(page)) == 2
    assert "Keep the largest of each" not in labels(page)  # 5,000 decisions by one press are too many


def test_boxes_are_summed_up_and_not_trained_on(root):
    page = opened(check=make_looks.look(root, task="detection", summary={
        "columns": ["boxes", "train"], "rows": [["RBC", 3], [HOSTILE[1], 4]], "lines": ["3 boxes of **1** class."]}))
    assert list(page.dataframe[0].value["boxes"]) == ["RBC", HOSTILE[1]] and "3 boxes of **1** class." in words(page)
    assert "Go on to training" not in labels(page) and "Classes" not in [one.label for one in page.metric]


def test_what_a_look_leaves_can_be_taken_along(root):
    name = make_looks.look(root)
    assert "To take along" not in [one.label[:13] for one in opened(check=name).expander]
    for file in ("check.html", "clean.csv", "suggested_edits.jsonl"):
        (root / folders.KINDS["checks"] / name / file).write_text("x")
    assert "To take along" in [one.label[:13] for one in opened(check=name).expander]


def test_I4_names_are_shown_letter_by_letter(root):
    rows = [(f"{name}/{n}.png", name, "train", "", f"{n:064x}", 9, 9, "L", "", "p") for n, name in enumerate(HOSTILE)]
    wrong = [{"check": HOSTILE[1], "severity": "error", "pictures": [rows[0][0]], "sentence": HOSTILE[1],
              "remedy": HOSTILE[0]},
             bundled("label conflicts", [[row[0] for row in rows]]),
             DOUBTED | {"pictures": [row[0] for row in rows[:2]], "suggested": HOSTILE[1:3]}]
    name = make_looks.look(root, data=f"/data/{HOSTILE[1].replace('/', '')}", manifest=rows, found=wrong)
    page = opened(check=name, picture="1")
    raw = "\n".join(str(one.value) for kind in (page.markdown, page.caption, page.title) for one in kind)
    assert "](http" not in raw and "<script>" not in raw and "\u202e" not in raw and not page.exception


def test_a_picture_says_what_stands_for_it():
    picture = checks.Picture(0, "a", "x", "train", "", "s", 1, 1, "")
    standing = {"a": {"relabel": edits.Edit("a", "s", "relabel", "y"), "exclude": edits.Edit("a", "s", "exclude")}}
    assert decide.Decisions("p", standing, 0).of(picture) == ("left out", "red")
    del standing["a"]["exclude"]
    assert decide.Decisions("p", standing, 0).of(picture) == ("→ y", "blue")
    standing["a"]["relabel"] = edits.Edit("a", "another picture by now", "relabel", "y")
    assert decide.Decisions("p", standing, 0).of(picture) == ("", "")


def test_the_table_adds_up():
    table = look.table({"a": {"train": 3, "test": 1}, "b": {"train": 2}})
    assert table[-1] == {"Class": "All", "Training": 5, "Test": 1, "All": 6} and table[1]["Test"] == 0


@pytest.mark.parametrize("show", ["findings", "pictures", "left-out"])
@pytest.mark.parametrize("task, labels_of", [("detection", ("",)), ("regression", ("1.5", "2.5")),
                                             ("multi-label", ("", "a;b"))])
def test_data_of_other_tasks_are_summed_up_and_not_trained_on(root, task, labels_of, show):
    pictures = [*make_looks.rows(count=12)]
    pictures = [(path, labels_of[n % len(labels_of)], *more) for n, (path, _, *more) in enumerate(pictures)]
    found = [{"check": "label conflicts", "severity": "warning", "pictures": [row[0] for row in pictures[:2]],
              "bundles": [[row[0] for row in pictures[:2]]], "sentence": "Two.", "remedy": "Decide."}]
    name = make_looks.look(root, manifest=pictures, found=found, task=task, summary={
        "task": task, "columns": ["boxes", "all"], "rows": [[HOSTILE[0], 7], ["odd"], 3], "lines": ["7 boxes.", 9]})
    page = opened(check=name, show=show)
    assert "what is trained here is one class a picture" in words(page) and "7 boxes." in words(page)
    assert page.dataframe[0].value.values.tolist() == [[HOSTILE[0], "7"]]
    assert "Go on to training" not in labels(page) and "Look again" in labels(page)
    assert not [label for label in labels(page) if label.strip() == "All are"]


@pytest.mark.parametrize("summary", [7, [], {"task": "x"}, {"task": {}, "rows": [], "columns": 3},
                                     {"task": "t", "rows": [[None, {}]], "columns": ["a", "b"], "lines": {}}])
def test_I9_an_odd_summary_breaks_no_page(root, summary):
    opened(check=make_looks.look(root, summary=summary))
