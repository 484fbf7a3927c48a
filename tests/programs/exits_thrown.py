"""Where the caret stands when an exception is thrown in through a delegation."""

import types, traceback, sys
@types.coroutine
def tc():
    x = yield 1
    return x
async def co(): return (1,
   await tc())
def g():
    yield 1
    yield 2
def dl():
    a = (yield from
       g())
def inner(c):
    try: c.throw(ValueError("t"))
    except ValueError: traceback.print_exc(file=sys.stdout)
c = co(); c.send(None); inner(c)
d = dl(); next(d); inner(d)
d = dl(); next(d); next(d); inner(d)
async def forr():
    async def ag():
        await tc(); yield 1
    async for x in ag(): pass
c = forr(); c.send(None); inner(c)
class A:
    async def __aenter__(s): await tc()
    async def __aexit__(s, *a): await tc()
async def w():
    async with A() as q: pass
c = w(); c.send(None); inner(c)
c = w(); c.send(None)
try: c.send(None)
except StopIteration: pass
inner(c)
