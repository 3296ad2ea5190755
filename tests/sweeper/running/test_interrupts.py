import os
import signal

import pytest

from sweeper.running.interrupts import PATIENCE_SECONDS, Interrupts


def test_the_first_signal_is_a_request_and_the_second_stops_once() -> None:
    said: list[str] = []
    with Interrupts(lambda: said.append("stopping")) as interrupts:
        assert not interrupts.requested
        signal.raise_signal(signal.SIGTERM)
        assert interrupts.requested
        assert interrupts.requested
        signal.raise_signal(signal.SIGINT)  # raises nothing where it arrives
        with pytest.raises(KeyboardInterrupt):
            assert interrupts.requested
        signal.raise_signal(signal.SIGINT)
        assert interrupts.requested
    assert said == ["stopping"]


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts(lambda: None) as interrupts:
            signal.raise_signal(signal.SIGHUP)
            assert not interrupts.requested
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_where_the_driver_hangs_a_further_signal_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    now = 0.0
    with Interrupts(lambda: None, clock=lambda: now):
        for _ in range(5):
            signal.raise_signal(signal.SIGINT)
        assert not ended
        now = PATIENCE_SECONDS + 1.0
        signal.raise_signal(signal.SIGINT)
    assert ended == [130]
