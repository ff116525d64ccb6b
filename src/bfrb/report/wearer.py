"""A picture of one simulated sequence: the wearer, the way of the wrist, and what the sensors read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bfrb.errors import ConfigError
from bfrb.report.html import check_report_installed
from bfrb.simulate.body import HAIR, SKIN
from bfrb.simulate.design import SEQUENCES_PER_SUBJECT
from bfrb.simulate.motion import Wearing
from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_one
from bfrb.study.recordings import Recordings

_VIEWS = {"from the front": (0, 2, -1), "from the right": (1, 2, 1), "from above": (0, 1, 1)}
"""Room axes to the right and up in each view, and the sign of the first."""

_COLOURS = {SKIN: "#e8b998", HAIR: "#6b4a32"}


def draw_wearer(spec: StudySpec, seed: int, sequence: str, out: Path) -> Path:
    """Draw one sequence of the study that this spec and seed give.

    Parameters
    ----------
    sequence
        Its id, such as `SEQ_0_000012`, or its last part.
    out
        Where the picture goes; its ending (`.png`, `.svg`, `.pdf`) says what it becomes.

    Raises
    ------
    ConfigError
        If the study has no such sequence, no such picture can be made, or matplotlib is not installed.
    """
    check_report_installed()
    if out.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"expected a picture that ends in .png, .svg or .pdf, got {out.name!r}", remedy="rename it")
    digits = sequence.rpartition("_")[2]
    if not digits.isdigit():
        raise ConfigError(f"expected a sequence such as SEQ_{seed}_000012, got {sequence!r}", remedy="correct the id")
    sequence = f"SEQ_{seed}_{int(digits):06d}"
    subject = (int(digits) - 1) // SEQUENCES_PER_SUBJECT + 1
    wearing, recordings = simulate_one(spec, seed, subject)
    if sequence not in recordings.ids:
        raise ConfigError(f"subject {subject} did not do {sequence}", remedy="choose another; some were lost")
    _draw(wearing, recordings, recordings.ids.index(sequence), out)
    return out


def _draw(wearing: Wearing, recordings: Recordings, which: int, out: Path) -> None:
    from bfrb.report.figures.signals import draw_signals
    from bfrb.report.style import Figure

    figure = Figure(figsize=(12, 11), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(4, 6))
    bodies, signals = parts
    for axes, (title, view) in zip(bodies.subplots(1, len(_VIEWS)), _VIEWS.items(), strict=True):
        _draw_body(axes, wearing, which, view)
        axes.set_title(title)
    draw_signals(signals, recordings[which])
    row = recordings.table.row(which, named=True)
    figure.suptitle(f"SIMULATED {row['id']}: {row['gesture']} - {row['orientation']}")
    figure.savefig(out)


def _draw_body(axes: Any, wearing: Wearing, which: int, view: tuple[int, int, int]) -> None:
    """Outlines of the body, the path of the wrist and the arm at the end of every behavior."""
    right, up, sign = view
    still = wearing.body.take(np.array([which]))
    angle = np.linspace(0, 2 * np.pi, 60)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    for part, material in enumerate(still.material):
        # The outline of an ellipsoid seen from far.
        spread = still.axes[part, 0] * still.radii[part, 0]
        shadow = (spread @ spread.T)[np.ix_((right, up), (right, up))]
        outline = np.linalg.cholesky(shadow) @ circle + still.centre[part, 0][[right, up], None]
        axes.fill(sign * outline[0], outline[1], color=_COLOURS.get(int(material), "#b9c4d0"), alpha=0.7)
    track, clock = wearing.track, wearing.clock
    steps = np.flatnonzero(clock.sequence == which)
    axes.plot(sign * track.wrist[steps, right], track.wrist[steps, up], color="#d04a35", linewidth=0.8)
    moments = np.searchsorted(clock.time_s[steps], clock.ends_s[which] - 0.1)
    for step in steps[np.minimum([0, *moments], len(steps) - 1)]:
        places = (wearing.posture.shoulder[which], track.elbow[step], track.wrist[step], track.place[step])
        arm = np.stack(places)
        axes.plot(sign * arm[:, right], arm[:, up], color="#20506e", marker="o", markersize=3, alpha=0.6)
    axes.set_aspect("equal")
    axes.axis("off")
