"""PyTorch's `torch.futures`: a value that comes later, from another thread or at once, and what is done with it then."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Condition
from typing import Any, Generic, TypeVar

from cutaway.core.absent import absent
from cutaway.core.errors import ArgumentError, ArgumentTypeError, AssertedError, CutawayError

T = TypeVar("T")

__all__ = ["CallbackError", "Future", "collect_all", "wait_all"]


class CallbackError(CutawayError, RuntimeError):
    """The function that `then` was given failed."""


class Future(Generic[T]):
    """A value that is not there yet.  `set_result` or `set_exception` brings it, once; `wait` waits for it.

    `devices` is accepted: values are on the CPU.
    """

    def __init__(self, *, devices: Any = None) -> None:
        self._ready = Condition()
        self._done = False
        self._result: Any = None
        self._error: Exception | None = None
        self._callbacks: list[Callable[[Future[T]], Any]] = []

    def done(self) -> bool:
        """Whether the value, or an exception, is there."""
        return self._done

    def wait(self) -> T:
        """The value, as soon as it is there.  Raises the exception that came in its place."""
        with self._ready:
            self._ready.wait_for(self.done)
        return self.value()

    def value(self) -> T:
        """The value.  Raises the exception that came in its place, ArgumentError if neither is there: `wait` waits."""
        if not self._done:
            raise ArgumentError("Future.value: there is no value yet; call wait()")
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[no-any-return]

    def then(self, callback: Callable[[Future[T]], Any]) -> Future[Any]:
        """The future of `callback(self)`, which is called once this one is done.  Raises ArgumentTypeError."""
        if not callable(callback):
            raise ArgumentTypeError(f"Future.then: expected a function of the future, got {callback!r}")
        after: Future[Any] = Future()

        def go_on(future: Future[T]) -> None:
            try:
                after._finish(callback(future), None)
            except Exception as error:
                name = type(error).__name__
                met = CallbackError(f"Got the following error when running the callback: {name}: {error}")
                met.__cause__ = error
                after._finish(None, met)

        self.add_done_callback(go_on)
        return after

    def add_done_callback(self, callback: Callable[[Future[T]], Any]) -> None:
        """Call `callback(self)` once this future is done; what it raises is logged."""
        with self._ready:
            if not self._done:
                self._callbacks.append(callback)
                return
        self._call(callback)

    def set_result(self, result: T) -> None:
        """Bring the value.  Raises ArgumentError if the future is done."""
        self._finish(result, None)

    def set_exception(self, result: Exception) -> None:
        """Bring an exception, which `wait` and `value` raise.  Raises AssertedError for what is none."""
        if not isinstance(result, Exception):
            raise AssertedError(f"Future.set_exception: {result} is of type {type(result)}, not an Exception.")
        self._finish(None, result)

    def _finish(self, result: Any, error: Exception | None) -> None:
        with self._ready:
            if self._done:
                raise ArgumentError("Future: it is done already; a future can be completed only once")
            self._result, self._error, self._done = result, error, True
            callbacks, self._callbacks = self._callbacks, []
            self._ready.notify_all()
        for callback in callbacks:
            self._call(callback)

    def _call(self, callback: Callable[[Future[T]], Any]) -> None:
        try:
            callback(self)
        except Exception:
            logging.getLogger(__name__).exception("a callback of a Future failed")


def collect_all(futures: list[Future[Any]]) -> Future[list[Future[Any]]]:
    """The future of the list of these futures, done when all of them are."""
    whole: Future[list[Future[Any]]] = Future()
    waiting = list(futures)
    if not waiting:
        whole.set_result([])

    def one(future: Future[Any]) -> None:
        if not whole.done() and all(f.done() for f in waiting):
            whole.set_result(waiting)

    for future in waiting:
        future.add_done_callback(one)
    return whole


def wait_all(futures: list[Future[Any]]) -> list[Any]:
    """The values of all of them, waited for.  Raises the first exception among them."""
    return [future.wait() for future in futures]


def __getattr__(name: str) -> object:
    raise absent("cutaway.futures", name, __all__)
