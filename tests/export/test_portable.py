"""Graphs for other runtimes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from typer.testing import CliRunner

from bfrb.cli import app
from bfrb.errors import BundleError, ConfigError
from bfrb.export.portable import export_graphs, merge_graphs
from bfrb.features.sequences import build_sequences
from bfrb.predict.bundle import Bundle
from bfrb.predict.predictor import load
from bundles import make_bundle, make_graph, make_recordings


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "model", members=3, simulated=True)


def answers(graph: Path, bundle: Path, seed: int = 0) -> np.ndarray:
    """What a client gives and gets that knows nothing but the graph and its description."""
    opened = Bundle.open(bundle)
    recordings = make_recordings(5, seed=seed)
    batch = build_sequences(recordings, opened.manifest.branches).batch(np.arange(5), opened.manifest.max_length)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {**batch.inputs, "lengths": batch.lengths})
    return np.asarray(found)


def test_one_graph_for_all_gives_the_predictor_s_answers(bundle: Path, tmp_path: Path) -> None:
    [graph] = export_graphs(Bundle.open(bundle), tmp_path / "out", ensemble=True)
    expected = load(bundle).predict(make_recordings(5)).probabilities
    np.testing.assert_allclose(answers(graph, bundle), expected, atol=1e-6)
    assert np.ptp(expected, axis=0).max() > 0.01


def test_one_graph_per_member_gives_its_answers(bundle: Path, tmp_path: Path) -> None:
    graphs = export_graphs(Bundle.open(bundle), tmp_path / "out")
    assert [graph.name for graph in graphs] == [f"two_branch-{number:02d}.onnx" for number in range(3)]
    mean = np.mean([answers(graph, bundle) for graph in graphs], axis=0)
    np.testing.assert_allclose(mean, load(bundle).predict(make_recordings(5)).probabilities, atol=1e-6)


@pytest.mark.parametrize("ensemble", [False, True])
def test_the_description_fits_the_graphs(bundle: Path, tmp_path: Path, ensemble: bool) -> None:
    graphs = export_graphs(Bundle.open(bundle), tmp_path / "out", ensemble=ensemble)
    described = json.loads((tmp_path / "out" / "input.json").read_text())
    assert set(described["graphs"]) == {graph.name for graph in graphs}
    for graph in graphs:
        session, of_graph = onnxruntime.InferenceSession(graph), described["graphs"][graph.name]
        assert of_graph["inputs"] == [given.name for given in session.get_inputs()]
        for given in session.get_inputs():
            assert len(given.shape) == len(described["inputs"][given.name]["shape"])
            assert given.shape[2:] == described["inputs"][given.name]["shape"][2:]
            assert described["inputs"][given.name]["type"] in {"float32", "int64"}
        [output] = session.get_outputs()
        assert of_graph["outputs"] == [output.name]
        assert output.shape[1] == len(described["output"]["classes"])
        assert of_graph["bytes"] == graph.stat().st_size
        assert sum(of_graph["operators"].values()) == len(onnx.load(graph).graph.node)
    assert described["inputs"]["imu"]["channels"][0] == {"name": "acc_x", "unit": "m/s^2"}
    assert described["simulated"] is True


def test_members_that_differ_in_what_they_take_in_are_not_merged() -> None:
    rng = np.random.default_rng(0)
    models = [make_graph({"imu": 3}, 4, rng), make_graph({"imu": 3, "proximity": 2}, 4, rng)]
    with pytest.raises(BundleError, match="take in the same"):
        merge_graphs(models)


def test_nothing_is_written_over(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(ConfigError, match="is there already"):
        export_graphs(Bundle.open(bundle), tmp_path / "out")


def test_nothing_is_left_of_a_failed_export(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bfrb.export.portable.PARITY", -1.0)
    with pytest.raises(BundleError, match="agree"):
        export_graphs(Bundle.open(bundle), tmp_path / "out", ensemble=True)
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_the_graphs(bundle: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", str(bundle), "--out", str(tmp_path / "out"), "--ensemble"])
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"ensemble.onnx", "input.json"}
