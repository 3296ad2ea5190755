"""The loop: propose, launch, watch, tell."""

from sweeper.driver.announcer import Announcer, Progress
from sweeper.driver.loop import Driver

__all__ = ["Announcer", "Driver", "Progress"]
