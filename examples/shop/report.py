"""The report of a day, as text."""
from .business import Shop
from .errors import InvalidOrder, OutOfStock, PaymentDeclined
from .orders import Order, State


def euros(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def table(orders: list[Order]):
    yield f"{'no':>3} {'customer':<8} {'state':<7} {'total':>8}"
    for order in sorted(orders, key=lambda order: order.number):
        yield f"{order.number:>3} {order.customer:<8} {order.state.value:<7} {euros(order.total):>8}"


def failures(shop: Shop) -> dict[str, int]:
    """Failures by kind."""
    found = {}
    try:
        shop.complain()
    except* OutOfStock as group:
        found["out of stock"] = len(group.exceptions)
    except* PaymentDeclined as group:
        found["declined"] = len(group.exceptions)
    except* InvalidOrder as group:
        found["unreadable"] = len(group.exceptions)
    except* Exception as group:
        found["other"] = len(group.exceptions)
    return found


def turnover(orders: list[Order]) -> int:
    return sum(order.total for order in orders if order.state is State.SENT)
