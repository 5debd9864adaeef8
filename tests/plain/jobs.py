"""Jobs for workers, in a module that a new process can import by the name it has here."""

import os
import signal
import time


def square(item):
    """A job; 3 fails, 5 dies, 7 fails with what cannot be sent."""
    if item == 3:
        raise ValueError("three: got 3")
    if item == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    if item == 7:
        raise Unsendable("a", "b")
    return item * item, os.getpid()


class Unsendable(Exception):
    def __init__(self, one, two):
        super().__init__(one)


def wait_or_say(folder, item):
    """A job that takes for ever, and says how it was ended."""
    (folder / f"begun {item}").touch()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        (folder / f"interrupted {item}").touch()
        raise


def say_progress(item, tell):
    tell(item + 0.5)
    return item


def wait_or_say_unless_first(folder, item):
    if item:
        wait_or_say(folder, item)


def die_or_say(folder, item):
    (folder / f"begun {item}").open("a").write("x")
    if item == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(0.5)  # as one that writes a checkpoint first
        (folder / f"interrupted {item}").touch()
        raise
