"""The house keeps its shape: imports run downward, rooms know no options, files and functions stay small."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "toolkit"
APPS = PACKAGE.parent / "apps"
FLOORS = (  # uppermost first; a room imports from the floors below its own, and from itself
    {"apps"},
    {"finetune", "predict", "evaluate", "check", "estimate", "heatmaps", "dashboard", "fetch"},  # the commands
    {"steps"},                           # what the commands are made of
    {"options"},
    {"commandline", "quantities"},
    {"tasks", "explain", "doctor", "runs"},
    {"features", "data", "evaluation"},
    {"backbones", "pixels"},
    {"training", "report"},
    {"artifact"},
    {"portable"},
    {"run", "progress", "queue", "downloads"},
    {"files"},
    {"errors"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
KNOW_OPTIONS = FLOORS[0] | FLOORS[1] | FLOORS[2]
COMMANDS = ("finetune", "predict", "evaluate", "backbones", "check", "estimate", "heatmaps", "dashboard",
            "fetch")
HEAVY = ("keras", "tensorflow", "jax", "torch", "openvino", "pandas", "matplotlib", "albumentations", "sklearn", "cv2",
         "scipy")
WIDEST = 120
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in FILES]
every_file = pytest.mark.parametrize("path", FILES, ids=NAMES)


def room_of(path):
    """The room or single file of `path`; "" for toolkit/__init__.py, the face."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py").replace("__init__", "")


def rooms_in(tree):
    """{room: line} of all that a module imports from toolkit, inside functions too, and by name as text."""
    found = {}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: relative import"
            names = ([f"toolkit.{alias.name}" for alias in node.names] if node.module == "toolkit" else [node.module])
        elif isinstance(node, ast.Constant) and re.fullmatch(r"toolkit(\.\w+)+", str(node.value)):
            names = [node.value]
        for name in names:
            parts = name.split(".")
            if parts[0] == "toolkit" and len(parts) > 1 and parts[1] != "__version__":
                found.setdefault(parts[1], node.lineno)
    return found


def upward(room, tree):
    """What `room` imports and must not, as (room, line)."""
    return [(other, line) for other, line in rooms_in(tree).items()
            if other != room and FLOOR.get(other, -1) <= FLOOR[room]]


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def test_no_line_is_longer_than_a_page():
    long = [f"{path}:{number}" for folder in (PACKAGE, APPS, Path(__file__).parent) for path in folder.rglob("*.py")
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1) if len(line) > WIDEST]
    assert not long


def test_every_room_stands_on_a_floor():
    assert {room_of(path) for path in FILES} - {""} <= set(FLOOR)


@every_file
def test_imports_run_downward(path):
    if room := room_of(path):
        assert upward(room, ast.parse(path.read_text())) == []


def test_apps_stand_above_all():
    found = {str(path): upward("apps", ast.parse(path.read_text())) for path in APPS.rglob("*.py")}
    assert not any(found.values()), found


@pytest.mark.parametrize("room, text", [
    ("files", "from toolkit.run import Run"), ("pixels", "from toolkit import data"),
    ("training", "def f():\n    import toolkit.features.views"), ("data", "from toolkit import evaluation"),
    ("backbones", "load = 'toolkit.pixels.decode'"), ("training", "from toolkit import nowhere")])
def test_an_upward_import_is_found(room, text):
    assert upward(room, ast.parse(text))


@every_file
def test_only_commands_know_options(path):
    known = set() if room_of(path) == "" else rooms_in(ast.parse(path.read_text()))
    assert "options" not in known or room_of(path) in KNOW_OPTIONS | {"options"}


@every_file
def test_files_and_functions_stay_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 350
    assert [f"{node.name}, {node.end_lineno - node.lineno + 1} lines" for node in functions(ast.parse(text))
            if node.end_lineno - node.lineno >= 45] == []


@every_file
def test_no_cellar_and_no_code_in_init(path):
    assert path.stem not in ("utils", "util", "helpers", "helper", "common", "misc", "base")
    if path.name == "__init__.py" and room_of(path) not in ("", "backbones"):
        assert path.read_text().strip() == ""


def test_the_face_stays_small():
    assert len((PACKAGE / "__init__.py").read_text().splitlines()) < 40


def test_import_loads_nothing_heavy():
    assert loaded_by("import toolkit") == []


@pytest.mark.parametrize("command, option", [*((command, "--help") for command in COMMANDS),
                                             ("finetune", "--version"), ("predict", "--version"),
                                             ("backbones", "--version")])
def test_B1_help_loads_nothing_heavy(command, option):
    assert loaded_by(f"import runpy; sys.argv = ['x', '{option}']; "
                     f"runpy.run_module('toolkit.{command}', run_name='__main__')") == []


def loaded_by(code):
    """Heavy packages in memory after `code`, which may end by sys.exit(0)."""
    probe = (f"import sys, atexit\n"
             f"atexit.register(lambda: print('LOADED', *(n for n in {HEAVY} if n in sys.modules)))\n{code}")
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]
