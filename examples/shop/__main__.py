"""One day in the shop; `python -m shop`, or `python shop`, tells how it went."""
import asyncio
import pathlib
import pickle
import sys

if not __package__:
    # Started as a folder: the package is beside it.
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
    __package__ = "shop"

from shop import report, warehouse
from shop.business import Shop

LINES = [
    "anna: 3 P01, P02",
    "bert: 2 P03, 10 P04",
    "cleo: P05, P06, 2 P07",
    "anna: 12 P08",
    "bert: 11 P06",
    "cleo: 99 P01",
    "anna: P77",
    "nobody",
    "dora: P01",
    "cleo: 0 P01",
] + [f"anna: {n % 3 + 1} P{n % 8 + 1:02}" for n in range(24)]


async def richest(shop: Shop) -> list[str]:
    return [f"{name} {report.euros(left)}" async for name, left in shop.bank.history()]


def main() -> int:
    shop = Shop()
    orders = asyncio.run(shop.day(LINES))
    print("\n".join(report.table(orders)))
    print("turnover", report.euros(report.turnover(orders)), report.failures(shop))
    print("left", asyncio.run(richest(shop)), "asked for", shop.price.asked(), "prices")
    low = list(shop.stock.low(6))
    before = shop.stock.total()
    warehouse.refill(shop.stock, low, rounds=25)
    print("refilled", low, shop.stock.total() - before, "pieces in", shop.stock.moves, "moves")
    print("ways", warehouse.steps(8, 8), "shelf", warehouse.walk(list(range(0, 200, 2)), 84))
    copies = pickle.loads(pickle.dumps(orders))
    assert copies == orders and copies is not orders
    assert Shop.__doc__ is None and report.failures.__doc__ == "Failures by kind."
    return 0


if __name__ == "__main__":
    sys.exit(main())
