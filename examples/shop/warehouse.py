"""Threads that refill the shelves, and the shortest way along them."""
import threading
from functools import lru_cache

from .stock import Stock


def refill(stock: Stock, skus: list[str], rounds: int, workers: int = 4) -> None:
    def work() -> None:
        for _ in range(rounds):
            for sku in skus:
                stock.put(sku, 1)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@lru_cache(maxsize=None)
def steps(a: int, b: int) -> int:
    """Ways through an aisle of a by b shelves, by recursion."""
    return 1 if a == 0 or b == 0 else steps(a - 1, b) + steps(a, b - 1)


def walk(shelves: list[int], target: int) -> int:
    """Binary search, by recursion; the index, or -1."""

    def search(low: int, high: int) -> int:
        if low >= high:
            return -1
        middle = (low + high) // 2
        if shelves[middle] == target:
            return middle
        return search(middle + 1, high) if shelves[middle] < target else search(low, middle)

    return search(0, len(shelves))
