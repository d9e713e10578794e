"""Work on several threads, with results in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_order(calls: Iterable[Callable[[], T]], threads: int, waiting: int) -> Iterator[T]:
    """Results of calls that run on several threads, in order, with a bounded number of them waiting.

    Args:
        calls: What to run; taken from the iterable as room comes.
        threads: How many run at once.
        waiting: Most results and calls that are kept.

    Raises:
        Exception: What a call raises, in its turn; later calls that have not begun are given up.
    """
    kept: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for call in calls:
                kept.append(pool.submit(call))
                if len(kept) >= waiting:
                    yield kept.popleft().result()
            while kept:
                yield kept.popleft().result()
        finally:
            for future in kept:
                future.cancel()
