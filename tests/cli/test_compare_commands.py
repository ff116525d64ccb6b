from pathlib import Path
from typing import Any

import pytest

from bfrb.cli.train import read_variants, show_comparison
from bfrb.errors import ConfigError


def found(score: float, difference: tuple[float, float, float] | None = None) -> dict[str, Any]:
    scores: dict[str, Any] = {"score": score, "interval": [score - 0.1, score + 0.1]}
    if difference is not None:
        scores |= {"difference": difference[0], "difference_interval": list(difference[1:])}
    return {"changes": {}, "scenarios": {"all": scores}}


RESULTS = {
    "simulated": True,
    "recordings": 90,
    "subjects": 12,
    "reference": "plain",
    "variants": {
        "plain": found(0.5),
        "better": found(0.6, (0.1, 0.02, 0.18)),
        "perhaps": found(0.51, (0.01, -0.05, 0.07)),
    },
}


def test_a_comparison_says_what_is_sure_and_that_it_is_simulated(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison(RESULTS)
    shown = capsys.readouterr().out
    assert "90 SIMULATED recordings of 12 subjects" in shown
    lines = {line.split()[1]: line for line in shown.splitlines() if line.startswith("│")}
    assert "+0.100" in lines["better"]
    assert "+0.020 to +0.180" in lines["better"]
    assert "yes" in lines["better"]
    assert "no" in lines["perhaps"]
    assert "yes" not in lines["plain"]
    show_comparison(RESULTS | {"subjects": 5})
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "better" in line]
    assert "too few people to be sure" in line


def test_variants_come_from_a_file_or_from_the_sensors(tmp_path: Path) -> None:
    sensors = read_variants(None, sensors=True, preset="baseline", changes=["training.epochs=2"])
    assert list(sensors.variants) == ["imu", "imu_thm", "imu_tof", "all"]
    assert sensors.run("imu").training.epochs == 2
    path = tmp_path / "variants.toml"
    path.write_text('changes = ["folds=4"]\n[variants]\na = []\nb = ["seed=3"]\n')
    spec = read_variants(path, sensors=False, preset=None, changes=["seed=1"])
    assert (spec.run("a").folds, spec.run("a").seed, spec.run("b").seed) == (4, 1, 3)
    for both in (True, False):
        with pytest.raises(ConfigError, match="--sensors"):
            read_variants(path if both else None, sensors=both, preset=None, changes=[])
