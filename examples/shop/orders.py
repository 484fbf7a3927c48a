"""Orders, their life, and the command language in which customers place them."""
import enum
import itertools
from dataclasses import dataclass, field

from .errors import InvalidOrder


class State(enum.Enum):
    OPEN = "open"
    PAID = "paid"
    SENT = "sent"
    FAILED = "failed"

    def next(self) -> "State":
        match self:
            case State.OPEN:
                return State.PAID
            case State.PAID:
                return State.SENT
            case _:
                raise InvalidOrder(f"nothing follows {self.value}")


@dataclass
class Order:
    number: int
    customer: str
    items: dict[str, int] = field(default_factory=dict)
    state: State = State.OPEN
    total: int = 0

    def advance(self) -> State:
        self.state = self.state.next()
        return self.state


def parse(text: str) -> tuple[str, dict[str, int]]:
    """`anna: 3 P01, P02` is three of one and one of another."""
    customer, _, rest = text.partition(":")
    items: dict[str, int] = {}
    for part in rest.split(","):
        match part.split():
            case [sku]:
                quantity = 1
            case [count, sku] if count.isdigit() and int(count) > 0:
                quantity = int(count)
            case []:
                continue
            case [*words]:
                raise InvalidOrder(f"cannot read {' '.join(words)!r}")
        items[sku] = items.get(sku, 0) + quantity
    if not customer.strip() or not items:
        raise InvalidOrder(f"cannot read {text!r}")
    return customer.strip(), items


def numbered():
    """Takes orders as text, gives them as objects; `None` asks how many there were."""
    numbers = itertools.count(1)
    order, made = None, 0
    while True:
        text = yield order
        if text is None:
            order = made
            continue
        try:
            customer, items = parse(text)
        except InvalidOrder as error:
            order = error
        else:
            made += 1
            order = Order(next(numbers), customer, items)
