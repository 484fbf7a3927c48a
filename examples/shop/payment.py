"""A bank that answers asynchronously, and not always with yes."""
import asyncio
import functools

from .errors import PaymentDeclined


def retried(times: int):
    """Tries a coroutine again when the bank is busy."""

    def decorate(function):
        @functools.wraps(function)
        async def attempt(*args, **kwargs):
            for left in reversed(range(times)):
                try:
                    return await function(*args, **kwargs)
                except TimeoutError:
                    if not left:
                        raise PaymentDeclined("the bank does not answer") from None
                    await asyncio.sleep(0)

        return attempt

    return decorate


class Bank:
    """Accounts by customer; every third question finds the bank busy."""

    def __init__(self, **accounts: int) -> None:
        self.accounts = accounts
        self.questions = 0

    async def __aenter__(self) -> "Bank":
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, kind, error, traceback) -> bool:
        await asyncio.sleep(0)
        return False

    @retried(times=3)
    async def charge(self, customer: str, amount: int) -> int:
        """Takes money; gives what is left."""
        self.questions += 1
        await asyncio.sleep(0)
        if self.questions % 3 == 0:
            raise TimeoutError
        left = self.accounts.get(customer, 0) - amount
        if left < 0:
            raise PaymentDeclined(f"{customer} lacks {-left} cents")
        self.accounts[customer] = left
        return left

    async def history(self):
        """What each customer has left, richest first."""
        for customer in sorted(self.accounts, key=lambda name: (-self.accounts[name], name)):
            await asyncio.sleep(0)
            yield customer, self.accounts[customer]
