from hieramp_lit.figures.class_token_accuracy import ScaleAccuracy, draw_class_token_accuracy


def test_each_scale_has_its_point_and_its_value_in_print():
    scales = [ScaleAccuracy(1, 0.104, 1.0), ScaleAccuracy(2, 0.5, 0.99), ScaleAccuracy(4, 0.966, 1.0)]
    (axes,) = draw_class_token_accuracy(scales, chance=0.1).axes
    labelled, unconditional, chance = (line.get_ydata() for line in axes.lines)
    assert list(labelled) == [1.0, 0.99, 1.0]
    assert list(unconditional) == [0.104, 0.5, 0.966]
    assert list(chance) == [0.1, 0.1]
    assert [text.get_text() for text in axes.texts] == ["10", "50", "97"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1×1", "2×2", "4×4"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "true label", "unconditional row", "chance, 10.0 %",
    ]  # fmt: skip
