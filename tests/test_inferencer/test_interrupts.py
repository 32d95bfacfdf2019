import signal
import threading

import pytest
from part_synth.inferencer.interrupts import held_interrupt


def test_ctrl_c_waits_for_the_end_of_the_block():
    done = []
    with held_interrupt() as held:
        signal.raise_signal(signal.SIGINT)
        done.append(1)
    assert held.came and done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_one_comes_through():
    with pytest.raises(KeyboardInterrupt), held_interrupt():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nothing_came():
    with held_interrupt() as held:
        pass
    assert not held.came


def test_the_handler_of_a_program_stays():
    came = []
    usual = signal.signal(signal.SIGINT, lambda *_: came.append(1))
    try:
        with held_interrupt() as held:
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, usual)
    assert came == [1] and not held.came


def test_other_threads_hold_nothing():
    said = []

    def work():
        with held_interrupt() as held:
            said.append(held.came)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert said == [False]
