"""The floors of the house: which room may import which, what stands alone, and what `import fsmkit` brings along."""

import ast
import importlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import fsmkit
import fsmkit.errors

ROOT = Path(fsmkit.__file__).parent

FLOORS = {
    12: "cli",
    11: "play",
    10: "testing",
    9: "telegram view",
    8: "botapi",
    7: "sources",
    6: "engine",
    5: "interpreter",
    4: "graph",
    3: "flow stores jobs",
    2: "errors",
    1: "keys clock faces",
}
"""The rooms by floor. A room imports only from floors below its own, at run time and for types."""

FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms.split()}

USES_PTB = {"telegram", "botapi", "testing", "play"}
"""The only rooms that import python-telegram-bot."""

PUBLIC = """Flow State StatesGroup ANY END Key KeyBy Context Event Timeout Reminder Done Failed Crashed DeliveryFailed
    Returned Reply Button Engine Outcome transition stay back call end pass_ error Result To Stay End
    Client fan_out graph_of FsmkitError __version__"""
"""The names that the module `fsmkit` has, beside the children of `FsmkitError`."""

LONGEST = 600
"""Lines of a file, its docstrings apart."""


def modules():
    """Yield the library's modules by name, as `fsmkit.stores.memory`, with their files."""
    for file in sorted(ROOT.rglob("*.py")):
        parts = ("fsmkit", *file.relative_to(ROOT).with_suffix("").parts)
        yield ".".join(parts).removesuffix(".__init__"), file


MODULES = dict(modules())


def room_of(module):
    """Return the first part of a module's name below the package; "" for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def imported(file):
    """Yield what a file imports, wherever the import stands: under `TYPE_CHECKING` and in functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute"
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                yield (whole if whole in MODULES else node.module or ""), node.lineno


def arrows():
    """Yield each import of one module of the library in another: importer, imported, place."""
    for name, file in MODULES.items():
        for target, line in imported(file):
            if target == "fsmkit" or target.startswith("fsmkit."):
                yield name, target, f"{file.relative_to(ROOT.parent)}:{line}"


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_every_room_has_a_floor():
    rooms = {room_of(name) for name in MODULES} - {"", "__main__"}
    assert rooms - set(FLOOR_OF) == set()


def test_a_room_imports_only_from_lower_floors():
    wrong = [
        f"{place} imports {target}"
        for name, target, place in arrows()
        if (room := room_of(name)) in FLOOR_OF and room_of(target) != room
        if target != "fsmkit" or room != "cli"  # the command shows the version
        if FLOOR_OF.get(room_of(target), 99) >= FLOOR_OF[room]
    ]
    assert wrong == []


def test_no_circle_of_imports():
    targets = {name: set() for name in MODULES}
    for name, target, _ in arrows():
        if target in MODULES and target != name:
            targets[name].add(target)
    while free := [name for name, needs in targets.items() if not needs]:
        for name in free:
            del targets[name]
        for needs in targets.values():
            needs.difference_update(free)
    # What is left is on a circle, or needs something that is; those that nothing left needs are not on one.
    while outer := [name for name in targets if not any(name in needs for needs in targets.values())]:
        for name in outer:
            del targets[name]
    assert sorted(targets) == []


def test_no_two_classes_of_one_name():
    names = Counter(
        node.name
        for file in MODULES.values()
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    )
    assert {name for name, count in names.items() if count > 1} == set()


def without_docstrings(file):
    """Return the number of lines of a file, docstrings apart."""
    text = file.read_text(encoding="utf-8")
    lines = text.count("\n")
    for node in ast.walk(ast.parse(text)):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Expr) and isinstance(getattr(child.value, "value", None), str):
                lines -= child.end_lineno - child.lineno + 1
    return lines


def test_no_file_is_too_long():
    assert [
        f"{name}: {length}"
        for name, file in MODULES.items()
        if (length := without_docstrings(file)) > LONGEST
    ] == []


def test_the_face_of_a_package_holds_names_and_nothing_else():
    wrong = [
        f"{name}: {type(node).__name__} in line {node.lineno}"
        for name, file in MODULES.items()
        if file.name == "__init__.py" and name != "fsmkit.testing.store_contract"
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr)
        and not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("__all__", "__version__"))
        and not is_for_type_checkers(node)
    ]
    assert wrong == []


def is_for_type_checkers(node):
    """Return whether a statement is nothing but imports under `TYPE_CHECKING`."""
    return (
        isinstance(node, ast.If)
        and ast.unparse(node.test) == "TYPE_CHECKING"
        and all(isinstance(each, ast.ImportFrom) for each in node.body)
        and not node.orelse
    )


LAZY = [
    name
    for name, file in MODULES.items()
    if file.name == "__init__.py" and "import_on_demand(" in file.read_text(encoding="utf-8")
]
"""Packages whose names are imported when they are first used."""


@pytest.mark.parametrize("face", LAZY)
def test_a_lazy_face_has_at_run_time_what_type_checkers_see(face):
    (typed,) = (n for n in ast.parse(MODULES[face].read_text()).body if is_for_type_checkers(n))
    package = importlib.import_module(face)
    seen = {
        each.name: getattr(importlib.import_module(n.module), each.name)
        for n in typed.body
        for each in n.names
    }
    assert {name: getattr(package, name) for name in seen} == seen
    assert set(package.__all__) - {"__version__"} == set(seen)


@pytest.mark.parametrize(
    ("face", "name"),
    [("fsmkit.telegram", "attach"), ("fsmkit.telegram", "run"), ("fsmkit.testing", "check")],
)
def test_a_function_is_found_where_its_module_of_the_same_name_was_imported_first(face, name):
    code = f"import {face}.{name}; from {face} import {name}; import {face}.{name}; print({name}.__module__)"
    assert run(code) == [f"{face}.{name}"]


def test_import_fsmkit_telegram_brings_no_engine_before_it_is_used():
    loaded = run("import sys, fsmkit.telegram; print(*sys.modules)")
    assert {name for name in loaded if name.startswith("fsmkit")} == {
        "fsmkit",
        "fsmkit.faces",
        "fsmkit.telegram",
    }


def test_a_bot_without_forms_and_moved_conversations_does_not_import_them():
    code = "import sys; from fsmkit.telegram import attach, button, command, run, text; print(*sys.modules)"
    rooms = {".".join(name.split(".")[:3]) for name in run(code) if name.startswith("fsmkit.")}
    assert "fsmkit.telegram.run" in rooms
    assert {
        "fsmkit.telegram.forms",
        "fsmkit.telegram.widgets",
        "fsmkit.telegram.conversation_handler",
    } & rooms == set()


def test_only_some_rooms_import_telegram():
    wrong = [
        f"{file.relative_to(ROOT.parent)}:{line}"
        for name, file in MODULES.items()
        if room_of(name) not in USES_PTB
        for target, line in imported(file)
        if target.split(".")[0] == "telegram"
    ]
    assert wrong == []


def test_only_what_helps_with_tests_imports_hypothesis_and_pytest():
    wrong = [
        f"{file.relative_to(ROOT.parent)}:{line}"
        for name, file in MODULES.items()
        if room_of(name) != "testing"
        for target, line in imported(file)
        if target.split(".")[0] in ("hypothesis", "pytest")
    ]
    assert wrong == []


def test_the_reader_of_imports_sees_all_of_them(tmp_path):
    file = tmp_path / "module.py"
    file.write_text(
        "import fsmkit.engine as e\nfrom fsmkit import Flow, errors\n"
        "if TYPE_CHECKING:\n    from fsmkit.engine.turn import Turn\n"
        "def f():\n    from fsmkit.cli.commands import main\n"
    )
    assert sorted(imported(file)) == [
        ("fsmkit", 2),
        ("fsmkit.cli.commands", 6),
        ("fsmkit.engine", 1),
        ("fsmkit.engine.turn", 4),
        ("fsmkit.errors", 2),
    ]


def test_import_fsmkit_brings_neither_telegram_nor_hypothesis():
    loaded = run("import sys, fsmkit; [getattr(fsmkit, n) for n in fsmkit.__all__]; print(*sys.modules)")
    assert "fsmkit.engine" in loaded
    assert {"telegram", "hypothesis", "pytest", "httpx", "starlette"} & set(loaded) == set()


def test_the_package_has_the_names_of_the_design_and_lists_them():
    names = set(PUBLIC.split())
    assert [name for name in sorted(names) if not hasattr(fsmkit, name)] == []
    assert names <= set(fsmkit.__all__)


def test_the_package_has_all_errors_that_a_program_may_want_to_catch():
    def children(kind):
        return {kind, *(each for child in kind.__subclasses__() for each in children(child))}

    errors = {
        kind.__name__ for kind in children(fsmkit.errors.FsmkitError) if kind.__module__ == "fsmkit.errors"
    }
    assert [name for name in sorted(errors) if not hasattr(fsmkit, name)] == []


def test_every_listed_name_is_there():
    assert [name for name in fsmkit.__all__ if not hasattr(fsmkit, name)] == []


def test_a_name_that_there_is_not_is_an_attribute_error():
    with pytest.raises(AttributeError):
        fsmkit.Flwo  # noqa: B018
