"""What the folders of a study's trials hold of their training: epochs, one folder a seed."""

from collections.abc import Iterator
from pathlib import Path
from statistics import stdev

from sweeper.outcomes import Epoch, FormatError, Place, read_epochs
from sweeper.records import TrialRecord
from sweeper.running.derived import mean_epochs, seed_score
from sweeper.space import complete_values
from sweeper.store.study_folder import StudyFolder
from sweeper.study.config import StudyConfig, training_of
from sweeper.trainers import Training


class TrialFiles:
    """Reads them; where they are gone, there is nothing."""

    def __init__(self, config: StudyConfig, folder: StudyFolder) -> None:
        self._config = config
        self._folder = folder

    def training(self, record: TrialRecord, *, seed: int | None = None) -> Training:
        """What a trial trains; with ``seed``, where the study gives its settings several."""
        values = complete_values(self._config.space, record.params)
        return training_of(self._config, values, repeat=record.notes.repeat, seed=seed)

    def folders(self, number: int) -> Iterator[Path]:
        """Where a trial was worked on: one folder a seed, where it has several."""
        for seed in self._config.search_seeds or (None,):
            yield self._folder.trial(number, seed=self._config.folder_seed(seed))

    def epochs_of(self, record: TrialRecord) -> list[Epoch]:
        """The epochs of a trial, or of the shorter training that it contains, as far as there.

        Means over the seeds where each setting is trained with several.
        """
        each = self.epochs_by_seed(record)
        if not each:
            return []
        end = self.training(record).end
        return [epoch for epoch in mean_epochs(each) if epoch.place <= end]

    def epochs_by_seed(self, record: TrialRecord) -> list[list[Epoch]]:
        """The epochs in each folder of a trial, one a seed, up to where it was stopped.

        Empty where one is damaged.
        """
        try:
            each = [read_epochs(folder)[0] for folder in self.folders(record.source)]
        except (ValueError, FormatError):  # damaged by someone: as good as gone
            return []
        if record.notes.stopped_at is not None:
            end = Place(*record.notes.stopped_at)
            last = max((seed for seed, epochs in enumerate(each) if epochs), default=0)
            each[last] = [epoch for epoch in each[last] if epoch.place <= end]
        return each

    def seeds_of(self, prefix: TrialRecord) -> dict[str, object]:
        """What each seed had scored where a shorter training ends, where there are several."""
        seeds = self._config.search_seeds
        if len(seeds) < 2:
            return {}
        end = self.training(prefix).end
        ends = [
            epoch
            for folder in self.folders(prefix.number)
            for epoch in read_epochs(folder)[0]
            if epoch.place == end
        ]
        if len(ends) < len(seeds):
            return {}
        parts = self._config.can.parts
        scores = tuple(
            seed_score(seed, end, parts=parts) for seed, end in zip(seeds, ends, strict=True)
        )
        return {"seeds": scores, "spread": stdev(s.score for s in scores if s.score is not None)}
