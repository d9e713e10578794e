"""What a student sees of an image: crops, flips, shuffled patches and mixtures, made on the images' own device."""

from hieramp_lit.students.views.augment import Augmentation, sample_crops
from hieramp_lit.students.views.batch import Views
from hieramp_lit.students.views.mix import Mix, Mixed, mix_images_

__all__ = ["Augmentation", "Mix", "Mixed", "Views", "mix_images_", "sample_crops"]
