"""A report with every kind of block, as a trial and its sweep would make it; names from files mean harm."""

import math
import random

from PIL import Image, ImageDraw

from hieramp_lit.figures import (
    Axis,
    Bar,
    Curve,
    Panel,
    draw_bars,
    draw_classes,
    draw_curves,
    draw_heatmaps,
    draw_parallel,
    draw_schedule,
)
from hieramp_lit.report.page import (
    Column,
    Commands,
    Facts,
    Figure,
    Note,
    Picture,
    Report,
    Section,
    Table,
)

HARM = """<script>alert("1")</script> <img src=x onerror=alert(2)> "quoted" 'single' ]]> & $x_{$ \\frac"""
"""What a class, a set or an error could be called."""
SIDES = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
STAGES = ("none", *["coarse"] * 3, *["mid"] * 3, *["fine"] * 3)
BETAS, RHOS = (0.5, 1.0, 2.5, 5.0), (0.25, 0.5, 0.75)
TRIALS = 21


def sample_report() -> Report:
    """All blocks, in the order of a real report."""
    return Report(
        title=f"Digits, distilled: 10 images per class {HARM}",
        subtitle=f"100 images of 10 classes by HIERAMP; a ConvNet reaches 91.3 ± 0.4 % on the test images {HARM}",
        sections=[_made(), _images(), _accuracy(), _sweep(), _cost()],
    )


def _made() -> Section:
    beta = [None, 5.0, 5.0, 5.0, 2.5, 2.5, 2.5, 0.5, 0.5, 0.5]
    rho = [None, *[0.5] * 6, *[0.25] * 3]
    columns = [Column("scale", numeric=True), Column("stage"), Column("β", 1, True), Column("ρ", 2, True)]
    rows = [[scale, stage, beta[scale], rho[scale]] for scale, stage in enumerate(STAGES)]
    return Section(
        "made",
        "What was made from what",
        [
            Facts(
                "",
                [
                    ("generator", "VAR, depth 8, with class tokens; 21.4 million weights"),
                    ("tokenizer", "10 scales, 1×1 to 16×16, 512 codes"),
                    ("identity", "sha256:8d5f0c2e7a9b41f6b3c1a7e5d2f4986011223344556677889900aabbccddeeff"),
                    ("seeds", "0; students 0, 1, 2"),
                    ("versions", "hieramp_lit 0.1.0, torch 2.8.0, Python 3.11"),
                    (HARM, HARM),
                ],
            ),
            Figure(
                "schedule",
                "Schedule",
                "Strength falls from 5 at the coarse scales to 0.5 at the fine ones; half of the positions, then a "
                "quarter, count as salient.",
                "Strength β and share ρ of salient positions at each scale.",
                {"beta": beta, "rho": rho, "stages": STAGES, "sides": SIDES},
                lambda: draw_schedule(beta, rho, STAGES, SIDES),
                Table("schedule-numbers", "Schedule", columns, rows),
            ),
            Commands(
                "Make it again",
                [
                    "hieramp distill configs/distill/digits.yaml --generate.seed 0 --out runs/distill/digits",
                    f"hieramp report runs/distill/digits -o report.html  # {HARM}",
                ],
            ),
            Note(f"Encoded with the tokenizer that the set names. {HARM}"),
            Note("Saliency maps: the set stores none. Generate it with `save_saliency: true` to see them.", "missing"),
            Note("Two of three seeds were trained on another commit.", "warning"),
        ],
        lead="A VAR with class tokens made 100 images in 41 seconds; amplification is strongest where shapes form.",
    )


def _sheet(columns: int, rows: int, side: int, seed: int) -> Image.Image:
    """Noise in tiles, which a lossless format can hardly compress."""
    draws = random.Random(seed)
    sheet = Image.frombytes("RGB", (columns * side, rows * side), draws.randbytes(3 * columns * rows * side * side))
    pen = ImageDraw.Draw(sheet)
    for column in range(columns):
        for row in range(rows):
            left, top = column * side, row * side
            pen.ellipse((left + 6, top + 6, left + side - 6, top + side - 6), fill=(25 * row % 255, 90, 200))
    return sheet


def _images() -> Section:
    keys = [f"r{row:05d}_{index:05d}" for row in range(10) for index in range(10)]
    return Section(
        "images",
        "Images",
        [
            Picture(
                "contact-sheet",
                "Amplified and plain, equal seeds",
                f"Ten digits, ten images each; amplified digits have bolder strokes than plain ones. {HARM}",
                "Rows: classes, amplified above plain. Columns: seeds 0 to 9.",
                _sheet(10, 10, 40, 0),
                {"keys": keys},
            ),
            Picture("strip", "Saliency of one image", "The ring is salient at all scales.", "", _sheet(11, 1, 32, 1)),
        ],
        lead="Amplified images keep their class and vary more.",
    )


def _accuracy() -> Section:
    draws = random.Random(2)
    bars = [
        Bar("amplified (this set)", 91.3, 0.4),
        Bar("off, same seeds", 89.8, 0.6),
        Bar(f"random real images {HARM}", 84.0, 1.3, "real"),
        Bar("paper", 92.1, 0.2, "paper"),
    ]
    groups = {
        name: [
            Curve(
                seed, range(10, 310, 10), [top * (1 - math.exp(-step / 6)) + draws.gauss(0, 0.6) for step in range(30)]
            )
            for seed in range(3)
        ]
        for name, top in (("amplified", 91.0), ("off", 89.5), (HARM, 84.0))
    }
    names = [*(f"digit {number}" for number in range(9)), HARM]
    classes = {
        "amplified": [draws.uniform(80, 98) for _ in names],
        "off": [*[draws.uniform(75, 98) for _ in names[1:]], None],
    }
    columns = [Column("class"), Column("amplified, %", 1, True), Column("off, %", 1, True)]
    rows = [[name, classes["amplified"][place], classes["off"][place]] for place, name in enumerate(names)]
    return Section(
        "accuracy",
        "Accuracy",
        [
            Figure(
                "bars",
                f"Top-1 {HARM}",
                f"Amplified 91.3 %, off 89.8 %, random real images 84.0 %, paper 92.1 %. {HARM}",
                "Top-1 on the 360 test images after the last epoch, mean ± sample standard deviation over 3 seeds.",
                {"bars": [bar._asdict() for bar in bars]},
                lambda: draw_bars(bars, "top-1 last, %"),
            ),
            Figure(
                "curves",
                "Students",
                "Amplified and off rise together until epoch 100; from there, amplified stays 1.5 points above.",
                "Mean and ± sample standard deviation over 3 seeds. ● last, ★ best epoch of the mean.",
                {name: [curve._asdict() for curve in curves] for name, curves in groups.items()},
                lambda: draw_curves(groups, "epoch", "top-1, %"),
            ),
            Figure(
                "classes",
                "Classes",
                "All classes lie between 75 and 98 %.",
                "Top-1 of each class, mean over 3 seeds.",
                {"names": names, **classes},
                lambda: draw_classes(names, classes, "top-1, %"),
                Table("classes-numbers", "Classes", columns, rows),
            ),
        ],
        lead="Amplification gains 1.5 points over the same seeds without it.",
    )


def _sweep() -> Section:
    draws = random.Random(3)
    values = [[None if (beta, rho) == (0.5, 0.25) else draws.uniform(86, 92) for rho in RHOS] for beta in BETAS]
    panels = [Panel(stage, "β", BETAS, "ρ", RHOS, values) for stage in ("coarse", "mid", "fine")]
    top = [None if trial == 4 else draws.uniform(86, 92) for trial in range(TRIALS)]
    best = max(range(TRIALS), key=lambda trial: top[trial] or 0)
    axes = [
        Axis("β coarse", [BETAS[trial % 4] for trial in range(TRIALS)]),
        Axis("ρ", [RHOS[trial % 3] for trial in range(TRIALS)]),
        Axis("student", [("convnet", "resnet18", HARM)[trial % 3] for trial in range(TRIALS)]),
        Axis("top-1 last, %", top),
    ]
    return Section(
        "sweep",
        "Sweep",
        [
            Figure(
                "heatmaps",
                "β × ρ",
                "Top-1 is highest with β 5 and ρ 0.5 at the coarse stage.",
                "Top-1 last, %; one trial a cell, mean over 3 students. Empty: not run.",
                {"panels": [panel._asdict() for panel in panels]},
                lambda: draw_heatmaps(panels, "top-1 last, %"),
            ),
            Figure(
                "parallel",
                "All trials",
                "The best trials have a coarse β of 2.5 or more.",
                "A line is a trial. Dashed: failed.",
                {"axes": [axis._asdict() for axis in axes], "best": best},
                lambda: draw_parallel(axes, top, "top-1 last, %", best),
            ),
            trials_table(),
        ],
    )


def trials_table() -> Table:
    """Trials in no order: numbers with as many digits, ties, words, nothing at all."""
    draws = random.Random(4)
    states = ["done"] * TRIALS
    states[4] = f"failed: {HARM}"
    rows = [
        [
            f"trial-{trial}",
            BETAS[trial % 4],
            None if trial == 4 else round(draws.uniform(8, 92), 3),
            None if trial in {4, 7} else draws.randrange(5, 2000),
            "nan" if trial == 9 else draws.uniform(-1, 1),
            states[trial],
        ]
        for trial in range(TRIALS)
    ]
    columns = [
        Column("trial"),
        Column("β coarse", 1, True),
        Column("top-1 last, %", 1, True),
        Column("seconds", numeric=True),
        Column("gain, points", 2, True),
        Column("state"),
    ]
    return Table("trials", "Trials", columns, rows, f"{TRIALS} trials; ± is over 3 students. {HARM}")


def _cost() -> Section:
    columns = [Column("stage"), Column("seconds", 1, True), Column("peak memory, MB", 0, True)]
    rows = [["tune", 312.52, 1840.0], ["generate", 41.07, 960.4], ["students", 128.9, 712.0]]
    return Section("cost", "Cost", [Table("cost-table", "Stages", columns, rows, "One core of a CPU.", folded=True)])
