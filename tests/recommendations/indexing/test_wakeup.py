"""Wake-up messages for the embedding workers."""

import queue
import time

import pytest
import structlog
from kombu.exceptions import OperationalError

from recommendations.indexing import tasks, wakeup


@pytest.fixture
def messages(monkeypatch) -> queue.Queue[dict]:
    """The messages that were sent, each with its sender's log context."""
    sent = queue.Queue()
    monkeypatch.setattr(wakeup, "notify_now", lambda: sent.put(structlog.contextvars.get_contextvars()))
    return sent


def test_calls_close_to_each_other_share_wake_up_messages(messages):
    notifier = wakeup.WorkerNotifier()
    for _ in range(50):
        notifier.notify()
    messages.get(timeout=10)
    time.sleep(4 * wakeup.COALESCE_S)
    assert messages.qsize() < 10  # one, unless this machine is slow


def test_a_wake_up_message_carries_the_id_of_its_request_and_nothing_else_of_its_context(messages):
    with structlog.contextvars.bound_contextvars(request_id="r-1", actor="bob"):
        wakeup.WorkerNotifier().notify()
    assert messages.get(timeout=10) == {"request_id": "r-1"}


def test_wake_up_messages_go_on_after_one_that_failed(messages, monkeypatch, caplog):
    failures = iter([RuntimeError("the broker's client broke")])
    send = wakeup.notify_now

    def fail_once():
        if error := next(failures, None):
            messages.put({"failed": "once"})
            raise error
        send()

    monkeypatch.setattr(wakeup, "notify_now", fail_once)
    notifier = wakeup.WorkerNotifier()
    notifier.notify()
    assert messages.get(timeout=10) == {"failed": "once"}
    time.sleep(4 * wakeup.COALESCE_S)
    notifier.notify()
    assert messages.get(timeout=10) == {}
    assert "could not be woken" in caplog.text


@pytest.mark.parametrize("error", [OperationalError("refused"), ConnectionRefusedError("refused")])
def test_a_broker_that_takes_no_messages_is_a_warning_and_no_error(monkeypatch, caplog, error):
    def refuse(**options):
        raise error

    monkeypatch.setattr(tasks.embed_pending, "apply_async", refuse)
    wakeup.notify_now()
    assert "Redis takes no messages (refused)" in caplog.text
