"""What is sold, and how prices come about."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import ClassVar


@dataclasses.dataclass(frozen=True, order=True)
class Product:
    """Something that is sold; prices are in cents."""

    sku: str
    name: str = dataclasses.field(compare=False)
    price: int = dataclasses.field(compare=False)
    tags: frozenset[str] = dataclasses.field(default=frozenset(), compare=False)

    @property
    def is_fragile(self) -> bool:
        return "fragile" in self.tags


class Rule:
    """A price rule; subclasses register themselves by name."""

    known: ClassVar[dict[str, type[Rule]]] = {}

    def __init_subclass__(cls, name: str, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        Rule.known[name] = cls

    def apply(self, product: Product, quantity: int, total: int) -> int:
        raise NotImplementedError


class Bulk(Rule, name="bulk"):
    """A tenth off from ten pieces on."""

    def apply(self, product: Product, quantity: int, total: int) -> int:
        return total - total // 10 if quantity >= 10 else total


class Fragile(Rule, name="fragile"):
    """Packing costs half a euro a piece."""

    def apply(self, product: Product, quantity: int, total: int) -> int:
        return total + 50 * quantity if product.is_fragile else total


def pricing(*rules: Rule) -> Callable[[Product, int], int]:
    """A price function that applies rules in order, and remembers how often it was asked."""
    asked = 0

    def price(product: Product, quantity: int) -> int:
        nonlocal asked
        asked += 1
        total = product.price * quantity
        for rule in rules:
            total = rule.apply(product, quantity, total)
        return total

    price.asked = lambda: asked  # type: ignore[attr-defined]
    return price


class Catalogue:
    """All products by their number."""

    def __init__(self, products: Iterator[Product]) -> None:
        self._products = {product.sku: product for product in products}

    def __getitem__(self, sku: str) -> Product:
        return self._products[sku]

    def __iter__(self) -> Iterator[Product]:
        yield from sorted(self._products.values())

    def __len__(self) -> int:
        return len(self._products)

    def tagged(self, *tags: str) -> list[Product]:
        return [product for product in self if product.tags.issuperset(tags)]


def sample() -> Catalogue:
    names = "teapot", "kettle", "cup", "spoon", "tray", "lamp", "vase", "clock"
    fragile = {"teapot", "cup", "vase", "lamp"}
    return Catalogue(
        Product(f"P{number:02}", name, 300 + 175 * number, frozenset({"fragile"} if name in fragile else ()))
        for number, name in enumerate(names, start=1)
    )
