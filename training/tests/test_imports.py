"""No module imports one that imports it, however far round: what is read first would depend on who asks first."""

import ast
import graphlib

import pytest
from conftest import TRAINING


def name(path):
    """models/vq.py as models.vq, models/__init__.py as models."""
    return ".".join(path.relative_to(TRAINING).with_suffix("").parts).removesuffix(".__init__")


def imports(path):
    """Dotted names that a module may mean, those inside of functions too: `from a import b` is a, and a.b if that is a file."""
    own = path.relative_to(TRAINING).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*(own[: len(own) + 1 - node.level] if node.level else ()), *filter(None, [node.module])])
            found = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from found
        yield from {f.split(".")[0] for f in found} - {*own}  # a.b reads a first


def circle(graph):
    """The modules of a circle, each importing the one before it; None where there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as e:
        return e.args[1]


def test_there_is_no_circle():
    modules = {name(p): p for p in [*TRAINING.glob("*.py"), *TRAINING.glob("models/*.py")]}
    graph = {m: {*imports(p)} & modules.keys() for m, p in modules.items()}
    found = circle(graph)
    assert not found, f"a circle of imports: {' <- '.join(found)}"
    assert graph["classifier"] == {"data", "labels", "models", "models.vq", "pictures", "trainer"}, "imports are found"
    assert graph["models.generate"] == {"models.patching"} and graph["models"] > {"models.vq"}, "relative ones too"


@pytest.mark.parametrize("graph, length", [({"a": {"b"}, "b": {"c"}, "c": set()}, None), ({"a": {"b"}, "b": {"a"}}, 3)])
def test_a_circle_is_found(graph, length):
    found = circle(graph)
    assert (found and len(found)) == length
