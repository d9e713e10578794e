"""What the metrics of one network share."""

import torch

from hieramp_lit.inspection import Settings
from hieramp_lit.inspection.comparing import Comparison
from hieramp_lit.inspection.networks import FeatureNetwork


def test_features_are_kept_once_whichever_metrics_share_them():
    class Mean(torch.nn.Module):
        def forward(self, image):
            return image.float().mean(dim=(2, 3))

    network = FeatureNetwork("mean", Mean(), 3, None, "0" * 64, no_answers="none")
    comparison = Comparison(network, 2, 8, 8, Settings(), torch.device("cpu"))
    images = torch.randint(1, 256, (8, 3, 4, 4), dtype=torch.uint8)
    for real in (False, True):
        comparison.update(images, torch.arange(8) % 2, torch.arange(8), real)
    metrics = [value for value in vars(comparison).values() if hasattr(value, "metric_state")]
    kept = [
        rows
        for metric in metrics
        for state in metric.metric_state.values()
        if isinstance(state, list)
        for rows in state
    ]
    features = [rows for rows in kept if rows.dtype == torch.float32]
    assert len(features) == 2 * 4 + 1  # PRDC twice, nearest, KID: of both kinds; Vendi: of the set alone
    assert len({rows.data_ptr() for rows in features}) == 2
