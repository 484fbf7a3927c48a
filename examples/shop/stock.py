"""What is on the shelves. Reservations are context managers: what fails is put back."""
import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

from .errors import OutOfStock


class Stock:
    """Quantities by product number, safe to use from several threads."""

    __slots__ = ("_count", "_lock", "__moves")

    def __init__(self, **count: int) -> None:
        self._count = Counter(count)
        self._lock = threading.RLock()
        self.__moves = 0

    def take(self, sku: str, quantity: int) -> None:
        with self._lock:
            if (left := self._count[sku]) < quantity:
                raise OutOfStock(sku, quantity, left)
            self._count[sku] -= quantity
            self.__moves += 1

    def put(self, sku: str, quantity: int) -> None:
        with self._lock:
            self._count[sku] += quantity
            self.__moves += 1

    @contextlib.contextmanager
    def reserved(self, items: dict[str, int]) -> Iterator[None]:
        taken: list[tuple[str, int]] = []
        try:
            for sku, quantity in items.items():
                self.take(sku, quantity)
                taken.append((sku, quantity))
            yield
        except BaseException:
            while taken:
                self.put(*taken.pop())
            raise

    @property
    def moves(self) -> int:
        return self.__moves

    def low(self, limit: int) -> Iterator[str]:
        for sku in sorted(self._count):
            if self._count[sku] < limit:
                yield sku

    def total(self) -> int:
        return sum(self._count.values())
