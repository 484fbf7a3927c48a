"""What can go wrong in a shop."""


class ShopError(Exception):
    """Base of all errors of the shop."""


class OutOfStock(ShopError):
    """More was ordered than there is."""

    def __init__(self, sku: str, wanted: int, left: int) -> None:
        super().__init__(f"{sku}: {wanted} wanted, {left} left")
        self.sku, self.wanted, self.left = sku, wanted, left


class PaymentDeclined(ShopError):
    """The bank said no."""


class InvalidOrder(ShopError):
    """An order that makes no sense."""
