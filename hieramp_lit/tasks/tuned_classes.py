"""Which classes a tuning's data puts on which rows of the label embedding, and whether the rows can take them."""

from hieramp_lit.classes import ClassList
from hieramp_lit.var import KnownClasses, class_record


def check_rows(data: object, known: KnownClasses, num_classes: int) -> dict[str, str]:
    """Refuse classes on rows that are not theirs, and tell what the rows stand for afterwards.

    Args:
        data: The run's data module; one without a class list, or loaders of the user's own, are not checked.
        known: The classes of rows that are kept from other weights.
        num_classes: Rows of the label embedding, without "unconditional".

    Returns:
        The record for checkpoints and exports; empty without a class list.

    Raises:
        ValueError: If a class row is too high (the row past the last would silently mean "unconditional"), or a row
            that is kept stands for another class.
    """
    classes = getattr(data, "classes", None)
    if not isinstance(classes, ClassList):
        return {}
    if max(classes.rows) >= num_classes:
        raise ValueError(
            f"The data has class rows up to {max(classes.rows)}, model.var.num_classes={num_classes} allows 0 to "
            f"{num_classes - 1}. Raise it (model.label_rows says how new rows start), check `data.classes`, or count "
            "the rows anew by `data.class_rows: own`."
        )
    known.check_start(classes)
    return class_record(known.and_then(classes))
