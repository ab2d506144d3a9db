"""Scheduler of periodic tasks that tolerates a corrected clock."""

from celery.beat import PersistentScheduler


class Scheduler(PersistentScheduler):
    """Celery's scheduler, except that a clock that was ahead and is corrected does not stop it.

    Celery would not run an entry before its last run, which lies in the future, even after a restart. Here
    such an entry counts as one that ran just now.
    """

    def tick(self, *args, **kwargs) -> float:
        ahead = [entry for entry in self.schedule.values() if entry.last_run_at > entry.default_now()]
        for entry in ahead:
            entry.last_run_at = entry.default_now()
            self._heap = None  # rebuilt from the entries
        return super().tick(*args, **kwargs)
