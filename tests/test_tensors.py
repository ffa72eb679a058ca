"""Tensors in a file: all kinds come back, all damage is found."""

import os
import random
import threading

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save, save_file

from aigc_tutorial.tensors import load_tensors, require_finite, save_tensors

TENSORS = {
    "matrix": torch.arange(6.0).view(2, 3).T,
    "empty": torch.zeros(0, 4),
    "number": torch.tensor(2.5, dtype=torch.float64),
    "brain": torch.tensor([1.0, 2.0], dtype=torch.bfloat16),
    "half": torch.tensor([1.0, float("inf")], dtype=torch.float16),
    "truth": torch.tensor([True, False]),
    "counts": torch.tensor([2**60, -1]),
}


def test_tensors_and_texts_come_back(tmp_path):
    path = tmp_path / "t.safetensors"
    save_tensors(path, TENSORS, {"note": "诗"})
    tensors, texts = load_tensors(path)
    assert texts == {"note": "诗"}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in tensors.items():
        assert tensor.dtype == TENSORS[name].dtype
        assert torch.equal(tensor, TENSORS[name])


def test_files_of_equal_content_are_equal(tmp_path):
    texts = {"note": '诗\n"\x01\u2028', "format": "one", "config": "{}"}
    contents = set()
    for number in range(20):
        save_tensors(path := tmp_path / f"{number}.safetensors", TENSORS, texts)
        contents.add(path.read_bytes())
    assert len(contents) == 1
    assert load_tensors(path)[1] == texts
    (content,) = contents
    assert (
        content[8 + int.from_bytes(content[:8], "little") :]
        == save({name: tensor.contiguous() for name, tensor in TENSORS.items()})[
            -sum(tensor.nbytes for tensor in TENSORS.values()) :
        ]
    )


def test_another_programs_file_is_read(tmp_path):
    path = tmp_path / "t.safetensors"
    save_file({"a": torch.ones(2)}, path, metadata={"format": "pt"})
    tensors, texts = load_tensors(path)
    assert torch.equal(tensors["a"], torch.ones(2))
    assert texts == {"format": "pt"}


def test_any_damage_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "t.safetensors"
    # But for truth, where any byte that is not 0 has the same meaning.
    save_tensors(path, {n: t for n, t in TENSORS.items() if n != "truth"}, {"note": "a text"})
    whole = path.read_bytes()
    randomness = random.Random(0)
    for position in randomness.sample(range(8 * len(whole)), 400):
        damaged = bytearray(whole)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"t\.safetensors is damaged"):
            load_tensors(path)
    for length in (0, 7, 8, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"t\.safetensors is damaged"):
            load_tensors(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match=r"t\.safetensors is damaged"):
        load_tensors(path)
    path.write_bytes(whole)
    assert load_tensors(path)[1] == {"note": "a text"}


def test_the_content_of_one_file_is_not_taken_for_anothers(tmp_path):
    """The sum covers the names, too: the same numbers in another place are another content."""
    save_tensors(tmp_path / "a", {"x": torch.ones(2), "y": torch.zeros(2)})
    save_tensors(tmp_path / "b", {"y": torch.ones(2), "x": torch.zeros(2)})
    from safetensors import safe_open

    sums = []
    for name in "ab":
        with safe_open(tmp_path / name, framework="pt") as file:
            sums.append(file.metadata()["aigc_tutorial.sha256"])
    assert sums[0] != sums[1]


def test_nothing_stays_mapped_after_loading(tmp_path):
    path = tmp_path / "t.safetensors"
    save_tensors(path, {"a": torch.ones(3)})
    tensors, _ = load_tensors(path)
    with path.open("r+b") as file:  # in place, as no writer of ours does
        file.write(b"\xff" * path.stat().st_size)
    assert torch.equal(tensors["a"], torch.ones(3))


def test_refusals(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_tensors(tmp_path / "nothing")
    with pytest.raises(ValueError, match="eye is sparse"):
        save_tensors(tmp_path / "t", {"eye": torch.eye(3).to_sparse()})
    assert os.listdir(tmp_path) == []


def test_finite_is_finite():
    require_finite({"large": torch.full((9,), 60_000.0, dtype=torch.float16)}, "here are")
    require_finite({"whole": torch.tensor([1])}, "here are")
    for value in ("nan", "inf", "-inf"):
        with pytest.raises(ValueError, match="here are 1 values in w that are NaN or infinite"):
            require_finite({"w": torch.tensor([1.0, float(value)])}, "here are")
    with pytest.raises(ValueError, match="2 values in w"):
        require_finite({"w": torch.tensor([float("inf"), -float("inf")])}, "here are")


def test_a_file_that_is_replaced_meanwhile_is_read_whole_from_the_old_or_the_new(tmp_path):
    """Of another program, so that no sum would find a header of one and values of the other."""
    path, stop = tmp_path / "t.safetensors", threading.Event()

    def write(value: float) -> None:
        part = tmp_path / "part"
        save_file({"a": torch.full((300,), value)}, part, metadata={"value": str(value)})
        os.replace(part, path)

    def write_on() -> None:
        while not stop.is_set():
            for value in (1.0, 2.0):
                write(value)

    write(1.0)
    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        for _ in range(2_000):
            tensors, texts = load_tensors(path)
            assert torch.equal(tensors["a"], torch.full((300,), float(texts["value"])))
    finally:
        stop.set()
        writer.join()


def test_a_full_disk_is_an_error_of_the_system(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise SafetensorError("No space left on device")

    save_tensors(tmp_path / "t.safetensors", {"a": torch.ones(2)})
    monkeypatch.setattr("aigc_tutorial.tensors.save_file", full)
    with pytest.raises(OSError, match="could not be written: No space left"):
        save_tensors(tmp_path / "t.safetensors", {"a": torch.zeros(2)})
    assert load_tensors(tmp_path / "t.safetensors")[0]["a"].tolist() == [1, 1]


def test_what_the_format_lacks_is_refused_and_nothing_is_written(tmp_path):
    path = tmp_path / "t.safetensors"
    with pytest.raises(ValueError, match=r"a is of the type torch\.complex128, which safetensors"):
        save_tensors(path, {"a": torch.ones(2, dtype=torch.complex128)})
    with pytest.raises(ValueError, match="longer than a safetensors file can hold"):
        save_tensors(path, {"a": torch.ones(2)}, {"note": "x" * 100_000_000})
    assert os.listdir(tmp_path) == []


def test_tensors_that_share_memory_are_written_under_each_name(tmp_path):
    whole = torch.arange(6.0)
    save_tensors(tmp_path / "t.safetensors", {"a": whole, "b": whole, "c": whole[2:4]})
    tensors, _ = load_tensors(tmp_path / "t.safetensors")
    assert torch.equal(tensors["a"], whole)
    assert torch.equal(tensors["b"], whole)
    assert tensors["c"].tolist() == [2, 3]


def test_a_conjugate_is_written_as_what_it_is(tmp_path):
    number = torch.tensor([1 + 2j]).conj()
    save_tensors(tmp_path / "t.safetensors", {"a": number, "b": number.imag})
    tensors, _ = load_tensors(tmp_path / "t.safetensors")
    assert tensors["a"].tolist() == [1 - 2j]
    assert tensors["b"].tolist() == [-2]


def test_a_mask_of_minus_infinities_is_meant_and_any_other_infinity_is_not():
    mask = torch.full((3, 3), -torch.inf).triu(1)
    require_finite({"mask": mask, "large": torch.full((9,), 3e38)}, "it holds")
    for wrong in (-mask, mask + 1, mask.where(mask == 0, torch.nan), mask[0], mask - torch.inf):
        with pytest.raises(ValueError, match=r"it holds .* values in wrong that are NaN or"):
            require_finite({"wrong": wrong}, "it holds")
