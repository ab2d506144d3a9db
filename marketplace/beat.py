"""The clock of periodic work."""

from celery.beat import PersistentScheduler


class Scheduler(PersistentScheduler):
    """Celery's own, but a clock that was ahead and is put right does not stop it.

    What ran at a time that has not come yet would not run again until then, and the file of the schedule
    keeps that over a restart: such an entry counts as one that ran just now.
    """

    def tick(self, *args, **kwargs) -> float:
        ahead = [entry for entry in self.schedule.values() if entry.last_run_at > entry.default_now()]
        for entry in ahead:
            entry.last_run_at = entry.default_now()
            self._heap = None  # made anew of the entries
        return super().tick(*args, **kwargs)
