"""Images on disk or in memory: reading, cropping, and the data modules of folders, CIFAR, Tiny-ImageNet and digits."""
