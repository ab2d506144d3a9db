"""A property that is computed once for each instance, without a lock."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class once(Generic[Value]):  # noqa: N801  reads like property
    """As functools.cached_property, which before Python 3.12 holds one lock for all instances of a class.

    Threads that compute the property of different instances would wait for each other. Two threads that ask
    one instance at once may both compute it: the value must not depend on who does.
    """

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute, self.__doc__ = compute, compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Value:
        value = instance.__dict__[self._name] = self._compute(instance)
        return value
