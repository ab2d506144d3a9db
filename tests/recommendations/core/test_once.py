import threading
from dataclasses import dataclass, field

from recommendations.core.once import once


@dataclass(frozen=True)
class Sum:
    parts: tuple[int, ...]
    computed: list[int] = field(default_factory=list)
    wait: threading.Barrier | None = None

    @once
    def total(self) -> int:
        """The total."""
        if self.wait is not None:
            self.wait.wait(timeout=10)
        self.computed.append(1)
        return sum(self.parts)


def test_a_value_is_computed_once_for_each_instance():
    one, other = Sum((1, 2)), Sum((3,))
    assert (one.total, one.total, other.total) == (3, 3, 3)
    assert (len(one.computed), len(other.computed)) == (1, 1)


def test_threads_with_different_instances_do_not_wait_for_each_other():
    both = threading.Barrier(2)
    sums = [Sum((1,), wait=both), Sum((2,), wait=both)]
    threads = [threading.Thread(target=lambda own=own: own.total) for own in sums]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert [own.computed for own in sums] == [[1], [1]]  # neither would get past the barrier alone
