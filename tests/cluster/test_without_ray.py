from pathlib import Path

import pytest

from bfrb import parts
from bfrb.cluster import connect, connection
from bfrb.cluster.connection import check_versions, own_versions
from bfrb.cluster.places import Place
from bfrb.errors import ConfigError

pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def test_without_ray_a_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "find_spec", lambda name: None if name == "ray" else object())
    with pytest.raises(ConfigError, match=r"--on ray needs ray\n.*pip install \"bfrb\[cluster\]\""), connect():
        pass


@pytest.mark.parametrize("on", ["spark", "ray://head", ":10001", "head:port"])
def test_what_is_no_address_is_refused(on: str) -> None:
    with pytest.raises(ConfigError, match=r"expected --on ray or an address such as ray://head:10001"), connect(on):
        pass


@pytest.mark.parametrize("address", ["ray://127.0.0.1:9", "127.0.0.1:9"])
@pytest.mark.parametrize("given", ["option", "RAY_ADDRESS"])
def test_an_address_where_nothing_answers(address: str, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv("RAY_ADDRESS", address)
    told = rf"no Ray cluster answers at {address}: .*refused\n.*ray start --head"
    with pytest.raises(ConfigError, match=told), connect(address if given == "option" else "ray"):
        pass


@pytest.mark.parametrize("left", ["127.0.0.1:9", None])
def test_a_cluster_that_was_begun_here_and_is_gone_is_not_waited_for(
    left: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    asked: list[str | None] = []
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(connection, "_BEGUN_HERE", tmp_path / "ray_current_cluster")
    monkeypatch.setattr(ray, "init", lambda *, address, **_: asked.append(address))
    if left is not None:
        (tmp_path / "ray_current_cluster").write_text(left)
    connection._join(None)
    assert asked == ["local"]


def test_machines_of_other_versions_are_refused() -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    from bfrb.cluster.tasks import Node

    own = own_versions()
    check_versions([Node("a", "a", 1, 0, 0, 0, own, ())])
    with pytest.raises(ConfigError, match=r"machine b of the cluster has python 2\.7 instead of"):
        check_versions([Node("b", "b", 1, 0, 0, 0, own | {"python": "2.7"}, ())])


def test_addresses_survive_being_paths() -> None:
    place = Place.at(Path("s3://lab/data?scheme=http"))
    assert place.name == "s3://lab/data?scheme=http"
    assert (place / "part.parquet").name == "s3://lab/data/part.parquet?scheme=http"
    assert (place / "part.parquet").parent == place
    assert (place.base, place.is_local) == ("data", False)


def test_a_file_of_a_place_is_whole_and_listed(tmp_path: Path) -> None:
    place = Place.at(tmp_path / "new" / "folder")
    assert (place.kind, place.files()) == ("nothing", {})
    (place / "a/b.txt").write(b"held")
    (place / "a/.hidden").write(b"")
    assert (place.kind, place.files(), (place / "a/b.txt").read()) == ("folder", {"a/b.txt": 4}, b"held")
    place.remove()
    assert place.kind == "nothing"
