"""Compares what `equip decls --report json` says (standard input) with the source, as `ast` has it.

Prints each difference; exits with 1 if there is one. Functions with qualname, first line (decorators
included) and parameters; classes with bases, as far as bytecode tells them; decorators of both; import statements.
"""

import ast
import json
import sys


def base(node):
    if isinstance(node, (ast.Name, ast.Attribute)):
        return ast.unparse(node)
    if isinstance(node, ast.Call):
        callee = base(node.func)
        return "..." if callee.endswith(")") else callee + "(...)"
    if isinstance(node, ast.Subscript):
        return f"{base(node.value)}[{base(node.slice)}]"
    if isinstance(node, ast.Tuple):
        return ", ".join(map(base, node.elts))
    return "..."


def decorator(node):
    plain = base(node.func if isinstance(node, ast.Call) else node)
    return plain if all(part.isidentifier() for part in plain.split(".")) else "..."


def mangled(name, classes):
    """As in the bytecode of a class (private names)."""
    if name.startswith("__") and not name.endswith("__") and classes and classes[-1].strip("_"):
        return "_" + classes[-1].lstrip("_") + name
    return name


def parameters(args, classes):
    names = [one.arg for one in args.posonlyargs + args.args]
    names += [args.vararg.arg] if args.vararg else []
    names += [one.arg for one in args.kwonlyargs]
    names += [args.kwarg.arg] if args.kwarg else []
    return tuple(mangled(name, classes) for name in names)


def written(tree):
    found = []

    def visit(node, prefix, classes):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                first = min([child.lineno] + [one.lineno for one in child.decorator_list])
                qualname = prefix + child.name
                decorators = tuple(map(decorator, child.decorator_list))
                if isinstance(child, ast.ClassDef):
                    bases = () if any(isinstance(one, ast.Starred) for one in child.bases) else child.bases
                    found.append(("class", qualname, first, tuple(map(base, bases)), decorators))
                    visit(child, qualname + ".", classes + [child.name])
                else:
                    # One that is written looks much like the compiler's own (PEP 649).
                    if child.name != "__annotate__":
                        found.append(("function", qualname, first, parameters(child.args, classes), decorators))
                    visit(child, qualname + ".<locals>.", classes)
            elif isinstance(child, ast.Lambda):
                visit(child, prefix + "<lambda>.<locals>.", classes)
            elif isinstance(child, ast.Import):
                found.extend(("import", one.name, child.lineno, (one.asname,)) for one in child.names)
            elif isinstance(child, ast.ImportFrom):
                if child.module != "__future__":
                    names = tuple((one.name, one.asname if one.asname != one.name else None)
                                  for one in child.names if one.name != "*")
                    found.append(("from", child.module or "", child.lineno, names))
            else:
                visit(child, prefix, classes)

    visit(tree, "", [])
    return found


def told(file):
    found = []

    def visit(node):
        for child in node["children"]:
            if child["kind"] == "function" and child["name"] != "__annotate__":
                names = tuple(one["name"] for one in child["parameters"])
                found.append(("function", child["qualname"], child["first_line"], names, tuple(child["decorators"])))
            elif child["kind"] == "class":
                bases = tuple(child["bases"]) if child["bases"] != ["..."] else ()
                found.append(("class", child["qualname"], child["first_line"], bases, tuple(child["decorators"])))
            visit(child)

    visit(file["module"])
    for one in file["imports"]:
        if one["module"] == "__future__":
            continue
        if one["names"] or one["star"] or one["level"]:
            names = tuple((name["name"], name["alias"]) for name in one["names"])
            found.append(("from", one["module"], one["line"], names))
        else:
            found.append(("import", one["module"], one["line"], (one["alias"],)))
    return found


def main():
    wrong = count = 0
    for file in json.load(sys.stdin):
        with open(file["file"], "rb") as source:
            one, other = set(written(ast.parse(source.read()))), set(told(file))
        count += len(one)
        for item in sorted(one ^ other, key=str):
            wrong += 1
            print(f"{file['file']}: {'missing' if item in one else 'extra'}: {item}")
    print(f"{count} declarations, {wrong} differ")
    sys.exit(wrong > 0)


main()
