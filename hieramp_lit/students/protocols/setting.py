"""What a protocol's rules look at: the student and its set."""

from dataclasses import dataclass

from hieramp_lit.classes import ClassList, load_classes


@dataclass(frozen=True)
class Setting:
    """A student and its set.

    Attributes:
        images: Images of the whole set; None where they are not counted, as in a stream of real images.
        classes: Number of classes of the set, which a student's last layer may have more rows than.
        image_size: Side of the student's input in pixels.
        student: Name as `create_student` takes it.
        is_imagewoof: Whether the classes are ImageWoof's.
    """

    images: int | None
    classes: int
    image_size: int
    student: str
    is_imagewoof: bool = False

    @classmethod
    def of(
        cls, images: int | None, num_classes: int, class_list: ClassList | None, image_size: int, student: str
    ) -> "Setting":
        """Recognize the set by its classes.

        Args:
            images: See above.
            num_classes: Rows of the student's last layer: the number of classes where there is no list.
            class_list: Of the set; None where it has none.
            image_size: See above.
            student: See above.
        """
        if class_list is None:
            return cls(images, num_classes, image_size, student)
        return cls(images, len(class_list), image_size, student, _is_imagewoof(class_list))

    @property
    def images_per_class(self) -> float:
        """IPC, a fraction where the classes differ in size.

        Raises:
            ValueError: If the images are not counted.
        """
        if self.images is None:
            raise ValueError(
                "The protocol decides by the images per class, and this data does not count its images: give the "
                "numbers, model.protocol.epochs and data.batch_size."
            )
        return self.images / self.classes

    @property
    def is_cifar(self) -> bool:
        """Whether the input has CIFAR's 32 pixels."""
        return self.image_size == 32

    @property
    def is_tiny_imagenet(self) -> bool:
        """Whether the set has Tiny-ImageNet's 200 classes and 64 pixels."""
        return self.classes == 200 and self.image_size == 64

    @property
    def is_convnet3_on_cifar100(self) -> bool:
        """The pair that RDED makes an exception of."""
        return self.student == "convnet3" and self.classes == 100 and self.is_cifar


def _is_imagewoof(classes: ClassList) -> bool:
    ours, theirs = ({entry.wnid for entry in part.entries} for part in (classes, load_classes("imagewoof")))
    return ours == theirs
