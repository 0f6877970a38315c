"""The tasks of packages beside the quality package: each is declared once, where its packages are read and run."""

from __future__ import annotations

from miqa_node.stages.assess.card import Task
from miqa_node.stages.assess.sidecars import BY_TASK, SIDE_TASKS


def test_every_task_but_quality_is_declared_once() -> None:
    assert [one.task for one in SIDE_TASKS] == list(BY_TASK)
    assert {*BY_TASK, Task.QUALITY} == set(Task)


def test_they_judge_in_the_order_in_which_they_need_each_other() -> None:
    judging = [one.task for one in SIDE_TASKS if one.open is not None or one.own is not None]
    assert judging == [Task.LANDMARKS, Task.OBJECTS, Task.ANOMALY, Task.CLASSIFICATION, Task.ENHANCEMENT]


def test_two_run_everywhere_unless_the_settings_say_otherwise() -> None:
    assert [one.everywhere for one in SIDE_TASKS if one.everywhere] == ["landmarks", "objects"]
