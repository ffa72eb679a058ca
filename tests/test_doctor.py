"""The doctor finds a device that computes wrongly, and trusts one that does not."""

import dataclasses
from typing import Any

import pytest
import torch

from aigc_tutorial import doctor
from aigc_tutorial.training import Engine
from tests import second_device


@pytest.fixture
def engine():
    """An engine on the emulated device."""
    device = second_device.device()
    made = Engine(device="cpu")
    made.device = device
    return made


@pytest.fixture
def faulty(monkeypatch):
    """Make an operation of the emulated device return something else."""

    def fault(name, change):
        true = second_device._compute

        def compute(op, *args, **kwargs):
            result = true(op, *args, **kwargs)
            if op.name() == name:
                # Of several results the first one with numbers is changed.
                results = result if isinstance(result, tuple) else (result,)
                found = next(x for x in results if isinstance(x, second_device.EmulatedTensor))
                change(found.numbers)
            return result

        monkeypatch.setattr(second_device, "_compute", compute)

    return fault


@pytest.fixture
def only(monkeypatch):
    """Examine one kind of network alone, which saves time."""

    def choose(check):
        monkeypatch.setattr(doctor, "_TRANSFORMER" if check.startswith("GAN") else "_GAN", {})

    return choose


def failed(diagnosis):
    return {check.name for check in diagnosis.checks if not check.is_passed}


def test_a_processor_is_trusted():
    diagnosis = doctor.examine("cpu")
    assert failed(diagnosis) == set()
    assert diagnosis.is_trusted
    assert str(diagnosis).endswith("cpu can be trusted.")
    assert len(diagnosis.checks) == 6
    # Float32 is far nearer than it must be, so what fails is no rounding.
    assert all(check.difference < check.tolerance / 20 for check in diagnosis.checks)


def test_a_second_device_that_computes_as_the_processor_does_is_trusted(engine):
    diagnosis = doctor.examine(engine=engine)
    assert failed(diagnosis) == set()
    assert diagnosis.device.startswith("emulated")


@pytest.mark.parametrize(
    ("operation", "wrong"),
    [
        ("aten::addmm", "GAN, forward"),
        ("aten::convolution", "GAN, forward"),
        ("aten::convolution_backward", "GAN, gradient"),
        ("aten::native_batch_norm_backward", "GAN, gradient"),
        ("aten::mm", "Transformer, forward"),
        ("aten::_safe_softmax", "Transformer, forward"),
        ("aten::tanh_backward", "Transformer, gradient"),
        ("aten::embedding_dense_backward", "Transformer, gradient"),
    ],
)
def test_a_device_that_computes_a_hundredth_too_much_is_found_out(
    operation, wrong, engine, faulty, only
):
    only(wrong)
    faulty(operation, lambda numbers: numbers.mul_(1.01))
    diagnosis = doctor.examine(engine=engine)
    assert wrong in failed(diagnosis)
    assert not diagnosis.is_trusted


@pytest.mark.parametrize(
    ("operation", "wrong"),
    [("aten::_fused_adam_", "GAN, training"), ("aten::_fused_adamw_", "Transformer, training")],
)
def test_a_device_whose_optimizer_moves_twice_is_found_out(
    operation, wrong, engine, only, monkeypatch
):
    """Forward pass and gradients are right, and only the steps tell."""
    only(wrong)
    true = second_device._compute

    def compute(op, *args, **kwargs):
        before = [x.numbers.clone() for x in args[0]] if op.name() == operation else []
        result = true(op, *args, **kwargs)
        for parameter, old in zip(args[0] if before else [], before, strict=True):
            parameter.numbers.add_(parameter.numbers - old)
        return result

    monkeypatch.setattr(second_device, "_compute", compute)
    assert failed(doctor.examine(engine=engine)) == {wrong}


def test_a_device_whose_numbers_are_not_finite_is_found_out(engine, faulty):
    faulty("aten::convolution", lambda numbers: numbers.fill_(float("nan")))
    assert "GAN, forward" in failed(doctor.examine(engine=engine))


def test_an_operation_that_the_device_lacks_is_told(engine, faulty):
    def refuse(numbers):
        raise NotImplementedError("aten::_safe_softmax is not implemented for this device")

    faulty("aten::_safe_softmax", refuse)  # of a forward pass: autograd's threads end at an error
    diagnosis = doctor.examine(engine=engine)
    assert "Transformer, forward" in failed(diagnosis)
    assert "WRONG  Transformer, forward   aten::_safe_softmax is not implemented" in str(diagnosis)
    assert "cannot be trusted with float32" in str(diagnosis)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        MemoryError("std::bad_alloc"),
    ],
)
def test_a_full_memory_is_no_wrong_number(engine, faulty, error):
    def refuse(numbers):
        raise error

    faulty("aten::_safe_softmax", refuse)
    diagnosis = doctor.examine(engine=engine)
    assert failed(diagnosis)
    assert not diagnosis.is_trusted
    assert f"MEMORY Transformer, forward   {error}"[:60] in str(diagnosis)
    assert "not enough memory" in str(diagnosis)
    assert "cannot be trusted" not in str(diagnosis)


def test_a_wrong_number_is_told_beside_a_full_memory(engine, faulty):
    def refuse(numbers):
        raise MemoryError

    faulty("aten::_safe_softmax", refuse)
    diagnosis = doctor.examine(engine=engine)
    wrong = doctor.Check("GAN, forward", 0.5, 1e-4, 0.1)
    both = dataclasses.replace(diagnosis, checks=(wrong, *diagnosis.checks))
    assert "cannot be trusted with float32" in str(both)


def test_precision_of_products_is_as_it_was():
    backends: Any = torch.backends
    settings = backends.cudnn.conv, backends.cuda.matmul
    before = [setting.fp32_precision for setting in settings]
    doctor.examine("cpu")
    assert [setting.fp32_precision for setting in settings] == before


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="torch sees no device"):
        doctor.examine("cuda:7")
