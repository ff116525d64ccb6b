"""Writing, opening and refusing bundles."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrb.errors import BundleError
from bfrb.predict import bundle as module
from bfrb.predict.bundle import CHECKSUMS, MANIFEST, Bundle, Manifest, writing_bundle
from bfrb.study.device import HELIOS
from bfrb.study.labels import CMI_GESTURES
from bfrb.train.run import read_run_spec
from bundles import make_bundle
from cmi_files import cut

GRAPH = "members/two_branch-00.onnx"


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "model"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def alter(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def seal(folder: Path) -> None:
    """Make the checksums right for the files as they are."""
    (folder / CHECKSUMS).unlink()
    module._write_checksums(folder)


def change_manifest(folder: Path, **values: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | values))


def test_a_written_bundle_opens_wherever_it_is_moved(copy: Path, tmp_path: Path) -> None:
    files = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    assert set(json.loads((copy / CHECKSUMS).read_text())) == files - {CHECKSUMS}
    (copy / ".DS_Store").write_bytes(b"x")  # what does not belong to it is let be
    bundle = Bundle.open(str(copy.rename(tmp_path / "elsewhere")))
    assert bundle.path == tmp_path / "elsewhere"
    assert bundle.device == HELIOS
    assert bundle.label_set == CMI_GESTURES
    assert [member.fold for member in bundle.manifest.members] == [0, 1]
    assert read_run_spec(bundle).folds == 2
    bundle.manifest.write(tmp_path)
    assert Manifest.parse(json.loads((tmp_path / MANIFEST).read_text())) == bundle.manifest


@pytest.mark.parametrize(
    ("name", "damage"),
    [(name, None) for name in (GRAPH, MANIFEST, CHECKSUMS, "spec.toml", "out_of_fold.parquet", "statistics.parquet")]
    + [(name, damage) for name in (GRAPH, "spec.toml", "history.parquet") for damage in (cut, alter)],
)
def test_a_missing_or_damaged_file_is_named(copy: Path, name: str, damage: Callable[[Path], None] | None) -> None:
    if damage is None:
        (copy / name).unlink()
    else:
        damage(copy / name)
    with pytest.raises(BundleError, match=name if damage is None else f"damaged: {name} changed") as caught:
        Bundle.open(copy)
    assert name == MANIFEST or "copy the bundle again" in caught.value.remedy


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from([MANIFEST, CHECKSUMS]), data=st.data())
def test_any_damage_to_the_descriptions_is_a_bundle_error(
    bundle: Path, tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    whole = (bundle / name).read_bytes()
    copy = Path(shutil.copytree(bundle, tmp_path_factory.mktemp("damaged") / "model"))
    kept, filling = data.draw(st.integers(0, len(whole) - 2)), data.draw(st.binary(max_size=8))
    if (damaged := whole[:kept] + filling).strip() != whole.strip():
        (copy / name).write_bytes(damaged)
        with pytest.raises(BundleError):
            Bundle.open(copy)


IMPOSSIBLE = [
    {"members": []},
    {"novelty": 1},
    {"members": [{"name": "a", "network": "n", "fold": 0, "graph": GRAPH}] * 2},
    {"label_set": {"name": "x", "classes": ["a", "a"], "targets": ["a"]}},
]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        *((values, "impossible manifest") for values in IMPOSSIBLE),
        ({"device": "ring"}, "no description 'ring'"),
        ({"format": 3, "version": "9.1", "novelty": True}, "has format 3.*\n.*9.1"),
        *(({"format": value}, "to name its format") for value in (None, "1", 0, True)),
    ],
)
def test_an_impossible_manifest_is_refused_and_a_later_one_says_which_version_reads_it(
    copy: Path, values: dict[str, object], told: str
) -> None:
    change_manifest(copy, **values)
    seal(copy)
    with pytest.raises(BundleError, match=told):
        Bundle.open(copy)


@pytest.mark.parametrize(
    ("added", "told"), [({}, f"lacks {GRAPH}"), ({"../secret": "0"}, "damaged"), ({"/etc/hostname": "0"}, "damaged")]
)
def test_checksums_name_every_graph_and_nothing_outside(copy: Path, added: dict[str, str], told: str) -> None:
    checksums = json.loads((copy / CHECKSUMS).read_text())
    del checksums[GRAPH]
    (copy / CHECKSUMS).write_text(json.dumps(checksums | added))
    with pytest.raises(BundleError, match=told):
        Bundle.open(copy)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    for name, told in (("nothing", "there is no bundle at"), ("", "has no bundle.json"), ("model.onnx", "has no")):
        with pytest.raises(BundleError, match=told):
            Bundle.open(tmp_path / name)


@pytest.mark.parametrize("error", [KeyboardInterrupt, None])
def test_an_error_while_writing_or_an_incomplete_bundle_leaves_nothing(
    tmp_path: Path, error: type[BaseException] | None
) -> None:
    with pytest.raises(error or BundleError), writing_bundle(tmp_path / "deep" / "model") as folder:  # noqa: PT012
        (folder / "big").write_bytes(b"x")
        if error is not None:
            raise error
    assert names(tmp_path / "deep") == []


def test_a_bundle_and_nothing_else_is_replaced_if_asked_and_only_by_a_complete_one(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="there is a bundle at"), writing_bundle(copy):
        pytest.fail("it must be refused before any work is done")
    with pytest.raises(BundleError), writing_bundle(copy, overwrite=True):
        assert Bundle.open(copy).manifest.version == "0.1.0"
    with writing_bundle(copy, overwrite=True) as folder:
        shutil.copytree(copy, folder, dirs_exist_ok=True)
        change_manifest(folder, version="0.2.0")
    assert Bundle.open(copy).manifest.version == "0.2.0"
    assert names(tmp_path) == ["model"]
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    (tmp_path / "notes").write_text("text")
    for name, complaint in (("thesis", "other files"), ("notes", "no folder")):
        with pytest.raises(BundleError, match=complaint), writing_bundle(tmp_path / name, overwrite=True):
            pytest.fail("it must be refused before any work is done")
    assert names(tmp_path / "thesis") == ["chapter1.tex"]
    (tmp_path / "empty").mkdir()
    Bundle.open(make_bundle(tmp_path / "empty"))
