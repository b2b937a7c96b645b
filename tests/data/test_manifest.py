import pandas
import pytest

from toolkit.data import manifest
from toolkit.data.spreadsheet import csv_plain, csv_safe, to_csv
from toolkit.errors import DataError

ROWS = pandas.DataFrame([(f"{i}.png", "ab"[i % 2], "", "", "", 0, 0, "", "") for i in range(10)],
                        columns=manifest.COLUMNS)
SAMPLES = manifest.Samples(ROWS, None, "table", lambda path: path.encode())


def facts(*bad):
    names = ["sha256", "fingerprint", "width", "height", "mode", "note", "span", "patient", "bytes", "camera", "error"]
    return pandas.DataFrame([(f"h{i}", f"f{i}", 9, 8, "L", "", "", "", 99, "", "cut short" if i in bad else "")
                             for i in range(10)], columns=names)


def test_A7_one_bad_picture_is_left_out_and_named():
    samples, kept = manifest.drop_unreadable(SAMPLES, facts(3), max_bad=0.1)
    assert len(samples) == 9 and kept.tolist() == [i != 3 for i in range(10)]
    assert samples.unreadable == (("3.png", "b", "cut short"),)
    assert samples.read(3) == b"4.png" and samples.rows["sha256"][3] == "h4" and samples.rows["width"][3] == 9
    assert len(SAMPLES) == 10 and SAMPLES.rows["sha256"][0] == ""


def test_A7_over_max_bad_is_refused_with_the_names():
    with pytest.raises(DataError, match="2 of 10 pictures cannot be read.*10%.*\n    3.png: cut short"):
        manifest.drop_unreadable(SAMPLES, facts(3, 4), max_bad=0.1)
    assert len(manifest.drop_unreadable(SAMPLES, facts(3, 4), max_bad=0.2)[0]) == 8
    with pytest.raises(DataError, match="none is left"):
        manifest.drop_unreadable(SAMPLES, facts(*range(10)), max_bad=1)
    with pytest.raises(DataError, match="No picture of class 'b'"):
        manifest.drop_unreadable(SAMPLES, facts(1, 3, 5, 7, 9), max_bad=0.5)


def test_A4_what_is_no_data_set(tmp_path):
    for name, word in (("x.tar.gz", "unpack"), ("x.png", "no data set")):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(DataError, match=word):
            manifest.read(tmp_path / name)
    for data, word in (("sample:cels", "did you mean sample:cells"), ("sample:moon", "there is: cells"),
                       ("https://example.org/x.zip", "download"), ("cells", "sample:cells")):
        with pytest.raises(DataError, match=word):
            manifest.read(data)


def test_I4_formula_cells_are_neutralised_and_come_back():
    texts = ["=cmd()", "+1+1", "-x", "@sum", "\tx", "\rx", "'=y", "''=z", "plain", "'quoted'", "", "-1.5", "+2e3", "1"]
    for text in texts:
        assert csv_plain(csv_safe(text)) == text
        assert not csv_safe(text).startswith(("=", "@", "\t", "\r"))
    assert csv_safe("-1.5") == "-1.5" and csv_safe("-1+1") == "'-1+1" and csv_safe(-2) == -2 and csv_safe(None) is None
    assert to_csv(["=a"], [["=b", 0.5]], mark=True) == "\ufeff'=a\n'=b,0.5\n".encode()
