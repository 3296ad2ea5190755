"""Rounds of all kinds, each compared with the undisturbed run of the same study."""

import contextlib
import random
import shutil
from dataclasses import replace
from pathlib import Path

from benchmarks.chaos_comparison import Shown, differences, shown
from benchmarks.chaos_kinds import KINDS
from benchmarks.chaos_rounds import RUNS, Extent, Round, Setup, finished, undisturbed


class Series:
    """Rounds of one setup, below one folder."""

    def __init__(
        self, setup: Setup, folder: Path, *, seed: int = 0, keep: Path | None = None
    ) -> None:
        self._setups = {False: setup, True: replace(setup, study=setup.by_command)}
        self._folder = folder
        self._seed = seed
        self._keep = keep  # the folders of those that did not survive
        self._usual: dict[str, tuple[Extent, Shown]] = {}  # by the text of the study

    def usual(self, *, by_command: bool = False) -> tuple[Extent, Shown]:
        """The undisturbed run, which is made once, and what it shows."""
        setup = self._setups[by_command]
        if setup.study not in self._usual:
            folder = self._folder / f"undisturbed {len(self._usual)}"
            round_ = Round(setup=setup, folder=folder, dice=random.Random(), usual=Extent())
            self._usual[setup.study] = undisturbed(round_), shown(round_)
        return self._usual[setup.study]

    def survived(self, kind: str, number: int) -> tuple[int, list[str]]:
        """Disturb a study and run it until it ends well.

        Args:
            kind: One of `KINDS`.
            number: Of the round; seed, kind and number draw the moment.

        Returns:
            How often it was run after that, and what is otherwise than in the undisturbed run.
        """
        chosen = KINDS[kind]
        usual, wanted = self.usual(by_command=chosen.by_command)
        round_ = Round(
            setup=self._setups[chosen.by_command],
            folder=self._folder / f"{kind} {number}",
            dice=random.Random(f"{self._seed}/{kind}/{number}"),
            usual=usual,
        )
        with contextlib.closing(round_):
            chosen.disturb(round_)
            runs = finished(round_)
            found = ["it does not end well"] if runs is None else list(differences(round_, wanted))
            if found and self._keep is not None:
                shutil.copytree(round_.folder, self._keep / round_.folder.name)
        shutil.rmtree(round_.folder)
        return runs or RUNS, found
