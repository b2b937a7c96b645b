"""Pictures come class by class into one upload."""

import pytest

from toolkit.errors import OptionError
from toolkit.runs import collecting, uploads


@pytest.fixture
def brought(tmp_path):
    """Makes an upload of these paths -> its id."""
    def bring(*paths):
        upload = collecting.new()
        for path in paths:
            file = uploads.place(tmp_path, upload) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(path)
        return upload
    return bring


def test_uploads_become_classes_and_names_that_meet_stay_apart(tmp_path, brought):
    collection = collecting.new()
    assert collecting.add(tmp_path, collection, " leaf rust ", brought("a.png", "b.png")) == 2
    assert collecting.add(tmp_path, collection, "leaf rust", brought("deep/a.png")) == 1
    assert collecting.add(tmp_path, collection, "healthy", first := brought("a.png")) == 1
    assert collecting.classes(tmp_path, collection) == {"healthy": 1, "leaf rust": 3}
    assert (collecting.folder(tmp_path, collection) / "leaf rust" / "a-2.png").read_text() == "deep/a.png"
    assert not uploads.place(tmp_path, first).exists()
    assert uploads.held(tmp_path, collection).data == collecting.folder(tmp_path, collection)


@pytest.mark.parametrize("label", ["", "  ", "a/b", "..", ".hidden", "a\\b", "a\nb", "x" * 300, "Train", "validation"])
def test_I6_what_is_no_class_is_refused_and_nothing_moves(tmp_path, brought, label):
    upload = brought("a.png")
    with pytest.raises(OptionError):
        collecting.add(tmp_path, collecting.new(), label, upload)
    assert uploads.held(tmp_path, upload).files == 1


def test_a_class_can_go_again(tmp_path, brought):
    collection = collecting.new()
    collecting.add(tmp_path, collection, "a", brought("1.png"))
    collecting.add(tmp_path, collection, "b", brought("2.png"))
    collecting.drop(tmp_path, collection, "a")
    collecting.drop(tmp_path, collection, "../b")
    assert collecting.classes(tmp_path, collection) == {"b": 1}


def test_nothing_has_come_yet(tmp_path):
    assert collecting.classes(tmp_path, collecting.new()) == {}
