"""Stages that wait too long make the process not ready, with the words; short waits do not."""

from __future__ import annotations

import errno
import threading

import pytest

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.observe import metrics
from miqa_node.errors import ResourcesError
from miqa_node.runtime.work.stages import JobStage
from miqa_node.runtime.work.waiting import WaitingStages
from tests.waiting import wait_until

IMAGE = InstanceDigest("ab" * 32)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EDQUOT])
def test_a_stage_that_the_storage_fails_waits_without_limit_and_goes_on_by_itself(number: int) -> None:
    works = threading.Event()
    calls: list[InstanceDigest] = []
    given_up: list[InstanceDigest] = []

    def stage(digest: InstanceDigest) -> None:
        calls.append(digest)
        if not works.is_set():
            raise OSError(number, "the system's words", "/a/name/of/a/patient")

    waiting = WaitingStages(patience_s=0.0)
    job = JobStage(stage, 1, given_up.append, threading.Event(), waiting)
    thread = threading.Thread(target=job.run, args=(IMAGE,))
    thread.start()
    wait_until(lambda: len(calls) >= 2)
    with pytest.raises(ResourcesError, match="An image waits, the disk answers: the system's words"):
        waiting.check()
    assert metrics.REGISTRY.get_sample_value("miqa_stages_waiting") == 1
    works.set()
    thread.join(30)
    assert given_up == []
    waiting.check()
    assert metrics.REGISTRY.get_sample_value("miqa_stages_waiting") == 0


def test_a_short_wait_is_ordinary() -> None:
    waiting = WaitingStages()
    waiting.note(IMAGE, ResourcesError("The database did not answer: locked."))
    waiting.check()


def test_what_the_bytes_of_an_image_cause_is_given_up() -> None:
    given_up: list[InstanceDigest] = []

    def stage(digest: InstanceDigest) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    JobStage(stage, 1, given_up.append, threading.Event()).run(IMAGE)
    assert given_up == [IMAGE]
