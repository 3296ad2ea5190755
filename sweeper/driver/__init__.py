"""The driver: its loop, the trials that it has open, and how it is heard of."""

from sweeper.driver.announcer import Announcer, Progress
from sweeper.driver.loop import Driver

__all__ = ["Announcer", "Driver", "Progress"]
