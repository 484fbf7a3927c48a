"""A day's business: orders come in, are priced, reserved, paid and sent."""
import asyncio

from .catalogue import Bulk, Fragile, pricing, sample
from .errors import OutOfStock, PaymentDeclined, ShopError
from .orders import Order, State, numbered
from .payment import Bank
from .stock import Stock


class Shop:
    def __init__(self) -> None:
        self.catalogue = sample()
        self.stock = Stock(**{product.sku: 12 for product in self.catalogue})
        self.price = pricing(Bulk(), Fragile())
        self.bank = Bank(anna=60_000, bert=5_000, cleo=20_000)
        self.failures: list[ShopError] = []

    async def handle(self, order: Order) -> Order:
        try:
            with self.stock.reserved(order.items):
                order.total = sum(self.price(self.catalogue[sku], n) for sku, n in order.items.items())
                await self.bank.charge(order.customer, order.total)
                order.advance()
        except (OutOfStock, PaymentDeclined) as error:
            order.state = State.FAILED
            self.failures.append(error)
        except KeyError as missing:
            order.state = State.FAILED
            error = ShopError(f"no product {missing}")
            error.__cause__ = missing
            self.failures.append(error)
        else:
            order.advance()
        finally:
            await asyncio.sleep(0)
        return order

    async def day(self, lines: list[str]) -> list[Order]:
        taker = numbered()
        next(taker)
        orders, rejected = [], []
        for line in lines:
            (rejected if isinstance(taken := taker.send(line), ShopError) else orders).append(taken)
        self.failures.extend(rejected)
        assert taker.send(None) == len(orders)
        taker.close()
        async with self.bank:
            return list(await asyncio.gather(*map(self.handle, orders)))

    def complain(self) -> None:
        if self.failures:
            raise ExceptionGroup("a day's failures", self.failures)
