"""The image bank: a distilled set on the device, its augmentation there, and the data module of students."""
