"""`finally` is copied for each way out; lines that are only a NOP."""


def ways(how):
    for i in range(2):
        try:
            if how == 0:
                return 1
            if how == 1:
                break
            if how == 2:
                continue
            if how == 3:
                raise ValueError
            how
        except ValueError:
            pass
        else:
            i
        finally:
            a = how
            b = a
    return 2


for how in range(6):
    ways(how)


def only_nops():
    try:
        pass
    finally:
        pass
    try:
        return 1
    finally:
        pass


def returns_in_finally(a):
    try:
        return a
    finally:
        if a:
            return 2
        b = a


def nested(how):
    try:
        try:
            try:
                if how == 1:
                    raise KeyError
                if how == 2:
                    return
            finally:
                a = 1
        except KeyError:
            b = 1
        finally:
            c = 1
    finally:
        d = 1


def loop_in_finally(how):
    while True:
        try:
            if how:
                return how
            how = 1
        finally:
            for i in range(2):
                if i:
                    continue
                try:
                    i / 0
                except ZeroDivisionError as e:
                    i


def raises(how):
    try:
        try:
            raise KeyError
        finally:
            a = 1
    except (KeyError,
            ValueError) as e:
        if how:
            return
        b = e


def bare():
    try:
        raise
    except:
        try:
            raise
        except RuntimeError: pass
        except: return
    try: [].x
    except AttributeError: pass
    else: 1
    finally: 2


def groups(how):
    try:
        raise ExceptionGroup("g", [ValueError(1), KeyError(2)])
    except* ValueError as e:
        a = e
    except* KeyError:
        if how:
            a = 1
        b = 2


def star_reraise():
    try:
        try:
            raise ExceptionGroup("g", [ValueError(1), OSError(2)])
        except* ValueError:
            a = 1
    except ExceptionGroup:
        pass


def unhandled(a):
    try:
        a / 0
    except KeyError:
        pass
    except (ValueError,
            TypeError):
        a
    finally:
        b = 1


def tail():
    if 1:
        try:
            return 1
        except ValueError:
            return 2


def no_line_return(a):
    if a:
        try:
            a()
        except TypeError:
            pass


def one_line(a):
    try: return a / a
    except ZeroDivisionError: return 0
    finally: a = 1


only_nops()
returns_in_finally(0)
returns_in_finally(1)
for how in range(3):
    nested(how)
    loop_in_finally(how)
    raises(how)
    groups(how)
    no_line_return(how)
    one_line(how)
bare()
star_reraise()
try:
    unhandled(1)
except ZeroDivisionError:
    pass
finally:
    tail()
try:
    pass
finally:
    pass
