"""The map of the package is that of its code, and of the contract on its floors."""

from pathlib import Path

import grimp
from aigc_book import package_map


def test_its_imports_are_those_that_the_import_linter_reads() -> None:
    graph = grimp.build_graph("aigc_tutorial", cache_dir=None)
    rooms = graph.find_children("aigc_tutorial")
    for room in rooms:
        graph.squash_module(room)
    found = {
        room.rpartition(".")[2]: {
            other.rpartition(".")[2]
            for other in graph.find_modules_directly_imported_by(room)
            if other in rooms - {room}
        }
        for room in rooms
    }
    assert found == package_map.imports()


def test_every_room_has_a_floor_and_an_arrow_never_goes_up() -> None:
    floors = package_map.floors()
    level = {room: n for n, floor in enumerate(floors) for room in floor}
    arrows = package_map.imports()
    assert set(level) == set(arrows)
    assert [(a, b) for a in arrows for b in arrows[a] if level[a] > level[b]] == []


def test_what_is_drawn_says_all_that_it_leaves_out() -> None:
    shown, arrows = package_map.drawn()
    rooms = {room for floor in shown for room in floor}
    assert rooms | set(package_map.floors()[-1]) | {"__main__"} == set(package_map.imports())
    whole = {a: b & rooms for a, b in package_map.imports().items() if a in rooms}
    assert {a: package_map.reached(a, arrows) for a in rooms} == {
        a: package_map.reached(a, whole) for a in rooms
    }
    for room, others in arrows.items():
        for other in others:
            without = {**arrows, room: others - {other}}
            assert other not in package_map.reached(room, without), (room, other)


def test_imports_are_read_in_every_form(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    for name, text in {
        "__init__.py": "from pack import a",
        "a/__init__.py": "from .inner import x\nimport pack.b.deep as deep",
        "a/inner.py": "def f():\n    from ..c import y\n    from .. import d\n    import torch.b",
        "b/__init__.py": "from pack import c, __version__",
        "c.py": "from pack.c import z",
        "d.py": "",
    }.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    read = {room: set(others) for room, others in package_map.imports(package).items()}
    assert read == {"a": {"b", "c", "d"}, "b": {"c"}, "c": set(), "d": set()}
    diagram = {"a": frozenset("bcd"), "b": frozenset("c"), "c": frozenset(), "d": frozenset()}
    assert package_map.needed(diagram)["a"] == {"b", "d"}
