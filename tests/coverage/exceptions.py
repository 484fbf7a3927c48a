"""Exceptions: every clause, and jumps out of them."""


def clauses(what):
    try:
        if what:
            raise what
        result = 1
    except (ValueError, TypeError) as error:
        result = 2
    except KeyError:
        result = 3
    except Exception:
        raise
    else:
        result = 4
    finally:
        last = 5
    return result + last


def returning(x):
    try:
        if x:
            return 1
        x = 2
    finally:
        x = 3
    return x


def in_finally(x):
    try:
        raise ValueError
    finally:
        if x:
            return 1
        return 2


def in_loop(items):
    for item in items:
        try:
            if item == 1:
                continue
            if item == 2:
                break
            item.none
        except AttributeError:
            if item == 3:
                continue
        finally:
            if item == 4:
                item = 5


def nested(x):
    try:
        try:
            x()
        except KeyError:
            x = 1
        finally:
            if x == 1:
                x = 2
    except ValueError:
        return 3
    return x


def fail(error):
    raise error


def one_line(x):
    try: x()
    except ValueError: return 1
    except KeyError: pass
    else: return 2
    finally: y = 1
    return 3


def raise_in_try(x):
    try:
        if x: raise ValueError
        x = 1
    except ValueError:
        x = 2
    return x


def groups():
    try:
        raise ExceptionGroup("many", [ValueError(1), KeyError(2)])
    except* ValueError:
        a = 1
    except* TypeError:
        a = 2
    except* KeyError:
        a = 3
    return a


def condition_at_the_end(x):
    try:
        if x is None:
            raise KeyError
        return 1
    finally:
        if x:
            x = 2


def condition_after_a_call(x):
    flag = True
    try:
        if x:
            return 1
        flag = False
        fail(KeyError)
    finally:
        if flag:
            x = 3


def dead():
    return 1
    if x:
        print(2)


clauses(None)
for error in ValueError, KeyError, OSError:
    try:
        clauses(error)
    except OSError:
        pass
returning(1)
in_finally(0)
in_loop([1, 4, 3, 2])
nested(lambda: fail(KeyError))
nested(lambda: fail(ValueError))
one_line(lambda: fail(KeyError))
one_line(int)
raise_in_try(0)
raise_in_try(1)
groups()
condition_at_the_end(1)
condition_after_a_call(1)
for function in condition_at_the_end, condition_after_a_call:
    try:
        function(None)
    except KeyError:
        pass
dead()
