import os
import unicodedata

import pandas
import pytest
from PIL import Image

from toolkit.data import manifest
from toolkit.errors import DataError, OptionError

NAMES = ("a1.png", "a2.png", "b1.png", "b2.png")


def folder(tmp_path, names=NAMES):
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), number).save(tmp_path / name, "PNG")
    return tmp_path


def table(tmp_path, text, name="table.csv", encoding="utf-8"):
    (tmp_path / name).write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    return tmp_path / name


PLAIN = "path,label,group\na1.png,größe,p1\na2.png,größe,p2\nb1.png,klein,p1\nb2.png,klein,p3\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_A2_encodings_and_delimiters_read_the_same(tmp_path, encoding, delimiter, ending):
    text = PLAIN.replace(",", delimiter).replace("\n", ending)
    samples = manifest.read(table(folder(tmp_path), text, encoding=encoding))
    assert samples.counts == {"größe": 2, "klein": 2} and samples.kind == "table"
    assert list(samples.rows["path"]) == list(NAMES) and list(samples.rows["group"]) == ["p1", "p2", "p1", "p3"]
    assert tuple(samples.rows.columns) == manifest.COLUMNS


def test_A2_parquet_and_tsv_and_excels_hint(tmp_path):
    folder(tmp_path)
    frame = pandas.DataFrame({"path": NAMES, "label": [1, 1, 2, 2], "dose": [0.5, 1.5, None, 2.0]})
    frame.to_parquet(tmp_path / "t.parquet")
    samples = manifest.read(tmp_path / "t.parquet")
    assert samples.counts == {"1": 2, "2": 2} and list(samples.rows["dose"]) == ["0.5", "1.5", "", "2.0"]
    assert len(manifest.read(table(tmp_path, PLAIN.replace(",", "\t"), "t.tsv"))) == 4
    assert len(manifest.read(table(tmp_path, "sep=;\n" + PLAIN.replace(",", ";")))) == 4
    with pytest.raises(DataError, match="Parquet"):
        manifest.read(table(tmp_path, b"no parquet", "x.parquet"))


def test_A2_further_columns_are_kept(tmp_path):
    text = "path,label,scanner,note\na1.png,a,S1,old\na2.png,a,S2,\nb1.png,b,S1,new\nb2.png,b,S2,\n"
    samples = manifest.read(table(folder(tmp_path), text))
    assert samples.further == ["scanner", "table_note"] and list(samples.rows["scanner"]) == ["S1", "S2", "S1", "S2"]
    assert set(samples.rows["note"]) == {""}


def test_A2_columns_named_like_facts_of_ours_are_kept_through_a_whole_reading(tmp_path):
    """A column is the user's, whatever it is called."""
    names = ("patient", "bytes", "camera", "span", "fingerprint", "bound")
    lines = [f"{path},{label}," + ",".join(f"{name}{number}" for name in names)
             for number, (path, label) in enumerate(zip(NAMES, "aabb"))]
    samples = manifest.read(table(folder(tmp_path), "\n".join([f"path,label,{','.join(names)}", *lines]) + "\n"))
    samples.rows[["patient", "bytes", "bound"]] = ""  # what a run puts there
    again = tmp_path / "again.csv"
    again.write_bytes(manifest.table(samples.rows.drop(columns="bound")))
    for rows in (samples.rows, pandas.read_csv(again, encoding="utf-8-sig")):
        assert list(rows["table_patient"]) == [f"patient{n}" for n in range(4)]
        assert {f"table_{name}" for name in names} <= set(rows.columns)


@pytest.mark.parametrize("header", ["Path,Label", "filename,class", "IMAGE,Diagnosis", "file,category"])
def test_A2_columns_in_other_case_and_usual_synonyms(tmp_path, header):
    text = header + "\na1.png,a\na2.png,a\nb1.png,b\nb2.png,b\n"
    assert manifest.read(table(folder(tmp_path), text)).counts == {"a": 2, "b": 2}


def test_A2_an_unknown_column_names_those_found(tmp_path):
    path = table(folder(tmp_path), "bild,art\na1.png,a\nb1.png,b\n")
    with pytest.raises(DataError, match="it has: bild, art.*--path-column and --label-column"):
        manifest.read(path)
    assert len(manifest.read(path, path_column="bild", label_column="art")) == 2
    with pytest.raises(DataError, match="'Kind'.*it has"):
        manifest.read(path, path_column="bild", label_column="Kind")
    with pytest.raises(DataError, match="it has: file, image"):
        manifest.read(table(tmp_path, "file,image,label\na1.png,a1.png,a\n"))


def test_A3_missing_files_and_paths_outside_are_all_listed(tmp_path):
    data = folder(tmp_path / "data")
    (tmp_path / "outside.png").write_bytes((data / "a1.png").read_bytes())
    os.symlink(tmp_path / "outside.png", data / "link.png")
    rows = "".join(f"gone{i}.png,a\n" for i in range(25))
    rows += f"../outside.png,b\n{tmp_path}/outside.png,b\nlink.png,b\na1.png,a\nb1.png,b\n"
    with pytest.raises(DataError) as refusal:
        manifest.read(table(data, "path,label\n" + rows))
    text = str(refusal.value)
    assert "25 files missing" in text and "gone19.png" in text and "gone20.png" not in text and "5 more" in text
    assert "3 paths outside" in text and "link.png" in text and "../outside.png" in text and "--root" in text


def test_A3_paths_inside_the_root_in_every_spelling(tmp_path):
    names = ("deep/a1.png", "deep/a2.png", "b1.png", unicodedata.normalize("NFD", "ä.png"))
    data = folder(tmp_path, names)
    (tmp_path / "tables").mkdir()
    text = (f"path,label\n{data}/deep/a1.png,a\ndeep\\a2.png,a\n./deep/../b1.png,b\n"
            f"{unicodedata.normalize('NFC', 'ä.png')},b\n")
    samples = manifest.read(table(tmp_path / "tables", text), root=data)
    assert list(samples.rows["path"]) == list(names)
    assert [samples.read(i)[:4] for i in range(4)] == [b"\x89PNG"] * 4
    with pytest.raises(DataError, match="1 path outside"):
        manifest.read(tmp_path / "tables" / "table.csv")
    with pytest.raises(DataError, match="root folder .* does not exist"):
        manifest.read(tmp_path / "tables" / "table.csv", root=tmp_path / "absent")


def test_A10_a_missing_group_column_is_a_wrong_option(tmp_path):
    path = table(folder(tmp_path), PLAIN)
    with pytest.raises(OptionError, match="'patient'.*it has: path, label, group"):
        manifest.read(path, group_column="patient")


def test_A10_a_patient_column_nobody_named_is_pointed_out(tmp_path):
    path = table(folder(tmp_path), PLAIN.replace("group", "Patient_ID"))
    assert "--group-column Patient_ID" in manifest.read(path).problems[0]
    samples = manifest.read(path, group_column="patient_id")
    assert list(samples.rows["group"]) == ["p1", "p2", "p1", "p3"] and samples.problems == ()


def test_rows_without_a_group_are_noted(tmp_path):
    path = table(folder(tmp_path), PLAIN.replace("p3", ""))
    assert "1 row without a group" in manifest.read(path).problems[0]


def test_a_given_split_is_read_in_its_usual_spellings(tmp_path):
    text = "path,label,split\na1.png,a,Training\na2.png,a,test\nb1.png,b,VAL\nb2.png,b,train\n"
    samples = manifest.read(table(folder(tmp_path), text))
    assert list(samples.rows["split"]) == ["train", "test", "validation", "train"]
    with pytest.raises(DataError, match="'later'.*allowed: train"):
        manifest.read(table(tmp_path, text.replace("VAL", "later")))
    with pytest.raises(DataError, match="1 row without a split"):
        manifest.read(table(tmp_path, text.replace("VAL", "")))


def test_all_problems_of_a_table_come_at_once(tmp_path):
    text = "path,label,split\na1.png,,train\ngone.png,b,test\n../x.png,B,odd\n,b,test\n"
    with pytest.raises(DataError, match="5 problems") as refusal:
        manifest.read(table(folder(tmp_path), text))
    for word in ("without a label", "2 files missing", "outside", "'odd'", "look the same"):
        assert word in str(refusal.value)


@pytest.mark.parametrize("text,word", [("", "empty"), ("path,label\n", "no rows"),
                                       ("path,label,label\nx,a,b\n", "twice"),
                                       ("path,label\na1.png,a,too,many\n", "line 2: 4 cells"),
                                       (b"\xff\xfe\x00", "encoding"),
                                       ("path,label\n\0,b\n", r"1 file missing.*\n    '.x00'")])
def test_tables_that_are_none(tmp_path, text, word):
    with pytest.raises(DataError, match=word):
        manifest.read(table(folder(tmp_path), text))


def test_A11_labels_with_slashes_quotes_and_newlines(tmp_path):
    text = 'path,label\na1.png,"a/b ""x"", y"\na2.png,"two\nlines"\nb1.png,-1\nb2.png,CON\n'
    assert manifest.read(table(folder(tmp_path), text)).classes == ["-1", "CON", 'a/b "x", y', "two\nlines"]


def test_E13_I4_a_manifest_comes_back_as_it_went_out(tmp_path):
    names = ("=1+1.png", "new\nline's \"quote\".png", "<b>&amp; name.png", "-x.png", "'=y.png", "Blätt_葉_🍃.png")
    data = folder(tmp_path, names)
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    text = "path,label,dose\n" + "".join(f"{name},{label},-1.5\n" for name, label in zip(quoted, "=ab@ab"))
    samples = manifest.read(table(data, text))
    written = manifest.table(samples.rows)
    cells = pandas.read_csv(table(data, written, "manifest.csv"))
    assert cells["path"][0] == "'=1+1.png" and cells["label"][3] == "'@" and cells["dose"].sum() == -9
    again = manifest.read(data / "manifest.csv")
    assert again.rows.equals(samples.rows) and list(again.rows["path"]) == list(names)
