"""What the probes of template-name call. It travels inside the instrumented program, and may import builtin
modules only (those of sys.builtin_module_names)."""

import sys


def shared(place, name, attributes, constants):
    """Tells of the attributes of a class that can be changed for all of its instances."""
    for key, value in list(attributes.items()):
        special = key.startswith('__') and key.endswith('__')
        if special or key.isupper() and not constants:
            continue
        if type(value) in (list, dict, set):
            kind = type(value).__name__
            print(f'{place}: {name}.{key} is a {kind} that all instances share', file=sys.stderr)
