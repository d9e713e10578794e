import pytest
import torch
from torch.nn import functional as F

from hieramp_lit.var.packed import PackedLinear, can_pack

CPU = torch.device("cpu")


def packable(dtype: torch.dtype) -> torch.dtype:
    if not can_pack(CPU, dtype):
        pytest.skip(f"this processor has no such products in {dtype}")
    return dtype


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [(1,), (2, 7), (3, 1, 65)])
def test_products_are_those_of_linear(dtype: torch.dtype, rows: tuple[int, ...]):
    stream = torch.Generator().manual_seed(0)
    x, weight, bias = (
        torch.randn(*shape, generator=stream).to(packable(dtype)) for shape in ((*rows, 96), (40, 96), (40,))
    )
    exact = F.linear(x.double(), weight.double(), bias.double())
    tolerance = {"atol": 0.06, "rtol": 0.01} if dtype == torch.bfloat16 else {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(PackedLinear(weight, bias)(x).double(), exact, **tolerance)
    torch.testing.assert_close(
        PackedLinear(weight, bias, gelu=True)(x).double(), F.gelu(exact, approximate="tanh"), **tolerance
    )


def test_nothing_is_packed_off_the_cpu_or_in_other_precisions():
    assert not can_pack(torch.device("meta"), torch.float32)
    assert not can_pack(CPU, torch.float16)
    assert not can_pack(CPU, torch.float64)
