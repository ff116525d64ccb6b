"""The same afternoon, as eight programs write it."""

import json
from pathlib import Path

import numpy as np
import pytest

from bfrb.errors import DataError
from bfrb.read.annotations import Interval, label_samples, read_intervals
from bfrb.study.description import LabelsSpec

EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" FORMAT="3.0">
  <TIME_ORDER>
    <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1500"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="4000"/>
    <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="6000"/><TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="6250"/>
  </TIME_ORDER>
  <TIER TIER_ID="hand"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
    <ANNOTATION_VALUE>hair pulling</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
    <ANNOTATION_VALUE>nail biting</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>"""
EXPECTED = [(1.5, 4.0, "hair pulling"), (6.0, 6.25, "nail biting")]
RESULT = [{"value": {"start": start, "end": end, "timeserieslabels": [label]}} for start, end, label in EXPECTED]
LABEL_STUDIO = json.dumps([{"data": {"csv": "/data/upload/p01.csv"}, "annotations": [{"result": RESULT}]}])
FILES = {
    "sheet.csv": "recording;start;end;label\np01;0:00:01.5;0:00:04;hair pulling\np01;0:00:06;6.25;nail biting\n",
    "own.csv": "key,recording,start_s,end_s,label,note,changed\n"
    "a,p01,1.5,4.0,hair pulling,,\nb,p01,6,6.25,nail biting,,\n",
    "events.tsv": "onset\tduration\ttrial_type\n1.5\t2.5\thair pulling\n6\t0.25\tnail biting\n5\tn/a\tn/a\n",
    "boris_aggregated.csv": "Observation id,Subject,Behavior,Behavior type,Start (s),Stop (s),Duration (s)\n"
    "p01,ann,hair pulling,STATE,1.5,4.0,2.5\np01,ann,nail biting,STATE,6,6.25,0.25\n",
    "boris.tsv": "Time\tMedia file path\tSubject\tBehavior\tStatus\n1.5\tv.mp4\tann\thair pulling\tSTART\n"
    "4.0\tv.mp4\tann\thair pulling\tSTOP\n6\tv.mp4\tann\tnail biting\tSTART\n6.25\tv.mp4\tann\tnail biting\tSTOP\n",
    "elan.eaf": EAF,
    "elan.txt": "Tier\tBegin Time - ss.msec\tEnd Time - ss.msec\tDuration - ss.msec\tAnnotation\n"
    "hand\t1.500\t4.000\t2.500\thair pulling\nhand\t6.000\t6.250\t0.250\tnail biting\n",
    "label_studio.json": LABEL_STUDIO,
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_every_program_tells_the_same_afternoon(name: str, ends: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("\ufeff" + FILES[name] if name.endswith("csv") else FILES[name], encoding="utf-8", newline=ends)
    found = read_intervals(path)
    assert [(one.start_s, one.end_s, one.label) for one in found] == EXPECTED


def test_button_presses_of_sensor_logger_are_points_of_the_clock(tmp_path: Path) -> None:
    path = tmp_path / "Annotation.csv"
    path.write_text(
        "time,seconds_elapsed,text,millisecond_press_duration\n"
        "1700000010000000000,10,urge,\n1700000020000000000,20,hair pulling,1500\n"
    )
    point, held = read_intervals(path)
    assert (point.label, point.end_s) == ("urge", None)
    assert (held.end_s or 0.0) - held.start_s == pytest.approx(1.5)
    path.write_text("start,end,label\n2023-11-14T23:13:30+01:00,2023-11-14T22:13:32Z,x\n")
    assert read_intervals(path) == [Interval(1.7e9 + 10, 1.7e9 + 12, "x")]
    labels = label_samples(1.7e9 + np.arange(0, 30, 0.5), [point], LabelsSpec(lateness_s=4.0))
    assert np.flatnonzero(labels == "urge").tolist() == list(range(12, 20))


def test_times_since_the_beginning_meet_samples_of_a_clock_and_unlabelled_time_is_unknown_or_none() -> None:
    time_s = 1.7e9 + np.arange(100) * 0.1
    labels = label_samples(time_s, [Interval(1.5, 4.0, "hair pulling")], LabelsSpec(offset_s=2.0, unlabelled="none"))
    assert labels.tolist() == ["none"] * 35 + ["hair pulling"] * 25 + ["none"] * 40
    labels = label_samples(np.arange(10.0), [Interval(2.0, 4.0, "x")], LabelsSpec())
    assert labels.tolist() == [None, None, "x", "x", *[None] * 6]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.csv", "start_s,end_s,label\n4,1,x\n", "ends before it begins"),
        ("a.csv", "start_s,end_s,label\nsoon,1,x\n", "cannot be read as annotations"),
        ("a.csv", "start,end,label\n2023-11-14 10:00:00,9,x\n", "lacks its zone"),
        ("a.csv", "when,what\n1,x\n", "expected annotations of"),
        ("a.tsv", "Time\tSubject\tBehavior\tStatus\n1\ts\tx\tSTART\n", "never ends"),
        ("a.eaf", "<HTML/>", "not ANNOTATION_DOCUMENT"),
        ("a.json", "[1]", "cannot be read as annotations"),
        ("a.csv", "", "expected annotations of"),
    ],
)
def test_what_is_no_annotation_is_refused_with_its_name(name: str, text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=complaint) as refused:
        read_intervals(tmp_path / name)
    assert name in refused.value.problem
