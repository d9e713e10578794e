import pytest
import torch
from torch import nn

from hieramp_lit.optimization import accumulation, adamw, lin0, scaled_learning_rate, weight_decay_groups


def test_lin0_at_values_computed_by_hand():
    # 1000 steps: 20 of warm-up, then 980 of which p runs from 0 to 1 in 979 steps; the first 5 % at the peak
    expected = {
        0: 0.005,
        10: 0.005 + 0.995 * 10 / 20,
        19: 0.005 + 0.995 * 19 / 20,
        20: 1.0,
        68: 1.0,  # p = 48 / 979 = 0.04903
        69: 0.1 + 0.9 * (1 - 49 / 979) / 0.95,  # p = 0.05005
        509: 0.1 + 0.9 * (1 - 489 / 979) / 0.95,
        999: 0.1,
        1000: 0.1,
        5000: 0.1,
    }
    assert {step: lin0(step, 1000) for step in expected} == pytest.approx(expected, rel=1e-12)


def test_lin0_meets_the_reference_formula_at_every_step():
    total, warmup = 250, 5
    for step in range(total):
        p = (step - warmup) / (total - 1 - warmup)
        reference = 0.005 + 0.995 * step / warmup if step < warmup else 1 if p < 0.05 else 0.1 + 0.9 * (1 - p) / 0.95
        assert lin0(step, total) == pytest.approx(reference, rel=1e-12)


@pytest.mark.parametrize("total", [1, 2, 3, 24, 25, 60])
def test_lin0_is_positive_and_at_most_the_peak_for_runs_of_any_length(total):
    factors = [lin0(step, total) for step in range(total + 2)]
    assert all(0 < factor <= 1 + 1e-12 for factor in factors)
    assert factors[-1] == pytest.approx(0.1)


@pytest.mark.parametrize("wrong", [{"total_steps": 0}, {"warmup": 1.0}, {"warmup": -0.1}, {"flat": 1.0}])
def test_lin0_refuses_shares_out_of_range(wrong):
    with pytest.raises(ValueError, match="lin0"):
        lin0(0, **{"total_steps": 10, **wrong})


def test_the_rate_is_the_base_at_256_images_and_grows_with_them():
    assert scaled_learning_rate(1e-4, 256) == 1e-4
    assert scaled_learning_rate(1e-4, 768) == pytest.approx(3e-4)  # the released run


def test_groups_hold_every_trainable_parameter_once():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4), nn.LayerNorm(4))
    net[1].requires_grad_(False)
    decayed, others = weight_decay_groups(net.named_parameters(), {"0.bias", "2.weight", "2.bias"}, 0.05)
    assert decayed["params"] == [net[0].weight]
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.05, 0)
    assert {id(p) for p in others["params"]} == {id(net[0].bias), id(net[2].weight), id(net[2].bias)}


def test_an_empty_group_is_left_out_and_nothing_trainable_is_an_error():
    net = nn.Linear(2, 3, bias=False)
    (only,) = weight_decay_groups(net.named_parameters(), set(), 0.1)
    torch.optim.AdamW([only])
    net.requires_grad_(False)
    with pytest.raises(ValueError, match=r"model\.trainable"):
        weight_decay_groups(net.named_parameters(), set(), 0.1)


class TestFusedAdamW:
    """A step in one pass over the memory is the step of the textbook."""

    @staticmethod
    def network() -> nn.Sequential:
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(7, 9), nn.GELU(), nn.Linear(9, 2))

    @staticmethod
    def steps(network: nn.Sequential, optimizer: torch.optim.Optimizer, numbers: range) -> None:
        for number in numbers:
            optimizer.zero_grad()
            batch = torch.randn(5, 7, generator=torch.Generator().manual_seed(number))
            network(batch).square().sum().backward()
            optimizer.step()

    @classmethod
    def trained(cls, fused: bool, steps: int = 30) -> tuple[nn.Sequential, torch.optim.AdamW]:
        network = cls.network()
        groups = weight_decay_groups(network.named_parameters(), {"0.bias", "2.bias"}, 0.1)
        optimizer = adamw(groups, lr=0.01, betas=(0.9, 0.95), fused=fused)
        cls.steps(network, optimizer, range(steps))
        return network, optimizer

    def test_equals_the_plain_one_up_to_rounding(self) -> None:
        (ours, optimizer), (theirs, plain) = self.trained(True), self.trained(False)
        assert optimizer.defaults["fused"]
        assert not plain.defaults["fused"]
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("first", [True, False])
    @pytest.mark.parametrize("second", [True, False])
    def test_goes_on_from_a_saved_state(self, first: bool, second: bool) -> None:
        whole, _ = self.trained(second)
        network, optimizer = self.trained(first, steps=12)
        groups = weight_decay_groups(network.named_parameters(), {"0.bias", "2.bias"}, 0.1)
        resumed = adamw(groups, lr=0.01, betas=(0.9, 0.95), fused=second)
        resumed.load_state_dict(optimizer.state_dict())
        self.steps(network, resumed, range(12, 30))
        for a, b in zip(network.parameters(), whole.parameters(), strict=True):
            if first == second:
                assert torch.equal(a, b)
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)

    def test_is_not_asked_of_devices_where_it_is_not_tested(self) -> None:
        with torch.device("meta"):
            network = nn.Linear(2, 2)
        assert adamw([{"params": list(network.parameters())}], 0.1, (0.9, 0.95)).defaults["fused"] is None


def test_a_global_batch_is_batch_times_devices_times_accumulation():
    for devices in (1, 2, 8, 24):
        for batch_size in (1, 4, 32):
            assert accumulation(768, batch_size, devices) * batch_size * devices == 768


@pytest.mark.parametrize(
    ("batch_size", "devices", "remedy"),
    [(10, 8, "may be 1, 2, 3, 4, 6, 8, 12"), (1024, 1, "may be"), (1, 5, "another number of devices")],
)
def test_a_global_batch_that_does_not_come_out_names_the_numbers_and_a_remedy(batch_size, devices, remedy):
    numbers = rf"model\.global_batch=768.*data\.batch_size={batch_size} × {devices} device"
    with pytest.raises(ValueError, match=rf"{numbers}[\s\S]*{remedy}"):
        accumulation(768, batch_size, devices)
