"""Answers to requests that were answered a moment ago, so that a retry costs nothing."""

import collections
import concurrent.futures
import threading
from typing import Any, Callable, Tuple

Key = Tuple[str, bytes]


class Repeats:
    """Keeps the newest responses, up to `limit_bytes`. A request that is repeated while the first is still being
    answered waits for that answer. Thread-safe."""

    def __init__(self, limit_bytes: int = 32 << 20) -> None:
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._kept: "collections.OrderedDict[Key, Any]" = collections.OrderedDict()
        self._bytes = 0
        self._running: "dict[Key, concurrent.futures.Future[Any]]" = {}

    def answer(self, key: Key, compute: Callable[[], Any], final: Callable[[Any], bool]) -> Any:
        """The response to the request of this key. It is kept only where `final` says so of it."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            running = self._running.get(key)
            if running is None:
                mine: "concurrent.futures.Future[Any]" = concurrent.futures.Future()
                self._running[key] = mine
        if running is not None:
            return running.result()
        try:
            response = compute()
        except BaseException as error:
            with self._lock:
                del self._running[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._running[key]
            if final(response):
                self._keep(key, response)
        mine.set_result(response)
        return response

    def _keep(self, key: Key, response: Any) -> None:
        self._kept[key] = response
        self._bytes += response.ByteSize()
        while self._bytes > self._limit and self._kept:
            self._bytes -= self._kept.popitem(last=False)[1].ByteSize()
