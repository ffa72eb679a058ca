"""The class behind :func:`~aigc_tutorial.evaluation.frechet_metric`; it needs torchmetrics."""

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from aigc_tutorial.data.checks import Samples, as_images
from aigc_tutorial.evaluation.frechet import FeatureStatistics, require_enough_samples


class DigitFrechetDistance(FrechetInceptionDistance):
    """Fréchet distance in the features of a digit classifier, with this package's checks.

    Args:
        features: Takes images to features, and has ``num_features``.
        image_shape: Channels, height and width of an image.
        reference: Statistics of the real side, if they are known already. Real images come to them
            until the next ``reset()``.
    """

    reference_sum: Tensor
    reference_cov_sum: Tensor

    def __init__(
        self,
        features: nn.Module,
        image_shape: tuple[int, int, int],
        reference: FeatureStatistics | None,
    ) -> None:
        super().__init__(feature=features, normalize=True, input_img_size=image_shape)
        self.orig_dtype = torch.float32  # which torchmetrics sets at the first update
        self.n_reference = 0 if reference is None else reference.n_samples
        if reference is not None:
            # torchmetrics keeps Σx and Σxxᵀ: both follow from mean, covariance and N. They stand
            # apart from what is added up, which calls on batches and processes add up again.
            n, mean = reference.n_samples, reference.mean.double()
            products = (n - 1) * reference.covariance + n * mean.outer(mean)
            self.register_buffer("reference_sum", n * mean, persistent=False)
            self.register_buffer("reference_cov_sum", products, persistent=False)

    def update(self, imgs: Samples, real: bool) -> None:
        """Add images to one of the two sides.

        Args:
            imgs: Images in [-1, 1] (N, C, H, W), on any device.
            real: Whether they are real.

        Raises:
            ValueError: If there is none, or they hold NaN or are not in [-1, 1].
        """
        super().update(as_images(imgs).to(self.device), real)

    def compute(self) -> Tensor:
        """The distance between the two sides.

        Raises:
            ValueError: If a side has not more samples than there are features.
        """
        names = ("real_features_sum", "real_features_cov_sum", "real_features_num_samples")
        added = {name: getattr(self, name) for name in names}
        try:
            if self.n_reference:
                self.real_features_sum = self.real_features_sum + self.reference_sum
                self.real_features_cov_sum = self.real_features_cov_sum + self.reference_cov_sum
                self.real_features_num_samples = self.real_features_num_samples + self.n_reference
            n_features = len(self.real_features_sum)
            for name in ("real", "fake"):
                n = int(getattr(self, f"{name}_features_num_samples"))
                require_enough_samples(n, n_features, f"{name} images")
            return super().compute()
        finally:
            for name, value in added.items():
                setattr(self, name, value)
