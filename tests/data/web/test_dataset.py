import json
import warnings
from pathlib import Path

import pytest
import torch

from hieramp_lit.classes import ClassEntry, ClassList
from hieramp_lit.data import WebDatasetDataModule
from hieramp_lit.data.images.reading import UnreadableImageError
from hieramp_lit.data.web.shards import ShardError
from tests.data.web.web_sets import numbers, picture, write_shards, write_tar


@pytest.fixture
def classes(tmp_path):
    ClassList((ClassEntry(0, 207, None, "dog", 207), ClassEntry(1, 281, None, "cat", 281))).write(tmp_path / "c.json")
    return str(tmp_path / "c.json")


@pytest.fixture
def shards(tmp_path):
    return write_shards(tmp_path / "shards")


def module(train, classes, stage="fit", **arguments):
    data = WebDatasetDataModule(train, classes, **{"image_size": 8, "batch_size": 4, "num_workers": 0, **arguments})
    data.setup(stage)
    return data


def collect(loader):
    batches = list(loader)
    return numbers(torch.cat([b.image for b in batches])), torch.cat([b.label for b in batches]).tolist()


@pytest.mark.parametrize("spec", ["", "/*.tar", "/train-{0000..0003}.tar", "list", "::"])
def test_shards_are_named_as_webdataset_names_them(shards, classes, spec):
    files = [f"{shards}/train-{i:04d}.tar" for i in range(4)]
    train = {"list": files, "::": "::".join(files)}.get(spec, shards + spec)
    data = module(train, classes, val=train)
    seen, labels = collect(data.val_dataloader())
    assert seen == list(range(24))
    assert labels == [207, 281] * 12


def test_a_share_of_each_class_is_held_out(shards, classes):
    data = module(shards, classes, val_fraction=0.25)
    train, val = data.train_samples().source, data.val_samples().source
    assert [sorted(source.labels.tolist()) for source in (train, val)] == [[207] * 9 + [281] * 9, [207] * 3 + [281] * 3]
    names = {source.name(place) for source in (train, val) for place in range(len(source))}
    assert len(names) == 24


def test_every_image_comes_once_an_epoch_in_another_order(shards, classes):
    loader = module(shards, classes, val=shards, batch_size=6).train_dataloader()
    first, second = collect(loader), collect(loader)
    assert sorted(first[0]) == sorted(second[0]) == list(range(24))
    assert first[0] != second[0]
    assert all(label == (207, 281)[number % 2] for number, label in zip(*first, strict=True))


@pytest.mark.parametrize("way", [{}, {"stream": True, "epoch_samples": 24, "readers": 4, "shuffle": 3}])
class TestBothWays:
    def test_batches_do_not_depend_on_workers(self, shards, classes, way):
        alone, helped = (
            module(shards, classes, val=shards, num_workers=workers, **way).train_dataloader() for workers in (0, 2)
        )
        for _ in range(2):
            assert [b.image.tolist() for b in alone] == [b.image.tolist() for b in helped]

    def test_the_seed_decides(self, shards, classes, way):
        one, same, other = (
            collect(module(shards, classes, val=shards, seed=seed, **way).train_dataloader()) for seed in (1, 1, 2)
        )
        assert one == same != other

    @pytest.mark.parametrize("taken", [1, 4, 7])
    def test_a_resumed_fit_goes_on_with_the_batches_that_were_not_seen(self, shards, classes, way, taken):
        def make():
            return module(shards, classes, val=shards, **way)

        whole = make().train_dataloader()
        everything = [batch.image for _ in range(3) for batch in whole]
        data, seen = make(), []
        loader = data.train_dataloader()
        while len(seen) < taken:
            for batch in loader:
                seen.append(batch.image)
                if len(seen) == taken:
                    break
        resumed = make()
        resumed.load_state_dict(json.loads(json.dumps(data.state_dict())))
        rest = [batch.image for batch in resumed.train_dataloader()]
        assert all(map(torch.equal, seen + rest, everything[: taken + len(rest)]))

    def test_other_shards_or_crops_are_refused_in_mid_epoch(self, shards, classes, way, tmp_path):
        data = module(shards, classes, val=shards, **way)
        next(iter(data.train_dataloader()))
        other = write_shards(tmp_path / "other", (12, 12))
        for arguments, key in (({"flip": True}, "data.flip"), ({"train": other}, "sha256")):
            changed = module(**{"train": shards, "classes": classes, "val": shards, **way, **arguments})
            changed.load_state_dict(data.state_dict())
            with pytest.raises(ValueError, match=key), warnings.catch_warnings(action="ignore"):
                changed.train_dataloader()

    def test_devices_have_equally_many_batches_of_their_own(self, shards, classes, way):
        data = module(shards, classes, val=shards, batch_size=2, **way)
        with warnings.catch_warnings(action="ignore"):
            loaders = [data.training_loader(rank, 3, accumulation=1) for rank in range(3)]
            parts = [collect(loader)[0] for loader in loaders]
        assert [len(part) for part in parts] == [8, 8, 8]
        assert len(loaders[0]) == 4
        assert parts[0] != parts[1] != parts[2]

    def test_accumulated_steps_are_whole(self, shards, classes, way):
        with warnings.catch_warnings(action="ignore"):
            loader = module(shards, classes, val=shards, **way).training_loader(0, 1, accumulation=4)
        assert len(loader) == len(list(loader)) == 4

    def test_unreadable_images_are_skipped_counted_and_named(self, tmp_path, classes, way):
        def change(number, made):
            return {**made, "png": b"no picture"} if number in (3, 10) else made

        train = write_shards(tmp_path / "partly", change=change)
        for workers in (0, 2):
            data = module(train, classes, val=train, unreadable="skip", num_workers=workers, batch_size=6, **way)
            loader = data.train_dataloader()
            with pytest.warns(UserWarning, match=r"2 images met in epoch 0 cannot be read\. Others took") as caught:
                seen, labels = collect(loader)
            (text,) = [str(warning.message) for warning in caught if "epoch" in str(warning.message)]
            assert "train-0000.tar/s00003" in text
            assert "train-0001.tar/s00010" in text
            assert len(seen) == 24
            assert not {3, 10} & set(seen)
            assert all(label == (207, 281)[number % 2] for number, label in zip(seen, labels, strict=True))
            with pytest.warns(UserWarning, match="2 images met in evaluation"):
                assert len(collect(data.val_dataloader())[0]) == 22
        with pytest.raises(UnreadableImageError, match=r"s000(03|10).*data\.unreadable: skip"):
            list(module(train, classes, val=train, **way).train_dataloader())

    def test_no_warning_is_given(self, shards, classes, way):
        with warnings.catch_warnings(action="error"):
            data = module(shards, classes, val=shards, **way)
            list(data.training_loader(0, 1, 1)), list(data.val_dataloader())


def test_the_check_finds_unreadable_images_beforehand(tmp_path, classes):
    train = write_shards(tmp_path / "p", change=lambda n, made: {**made, "png": b"x"} if n == 3 else made)
    with pytest.raises(UnreadableImageError, match="1 of 24 images cannot be read"):
        module(train, classes, val=train, check=True)
    with pytest.warns(UserWarning, match="1 of 24 images cannot be read"):
        assert len(module(train, classes, val=train, check=True, unreadable="skip").train_samples()) == 23


def test_validation_is_dealt_out_once_over_all_devices(shards, classes):
    data = module(shards, classes, val=shards)
    seen = []
    for rank in range(5):
        data.trainer = type("Trainer", (), {"global_rank": rank, "world_size": 5})()
        seen += collect(data.val_dataloader())[0]
    assert sorted(seen) == list(range(24))


class TestLabels:
    def made(self, tmp_path, fields, classes, **arguments):
        def change(number, made):
            return {"__key__": made["__key__"], "png": made["png"], **fields(number)}

        train = write_shards(tmp_path / "labels", change=change)
        return module(train, classes, val=train, **arguments)

    def test_imagenets_numbers_can_be_taken_apart(self, tmp_path, caplog):
        labels = [0, 155, 273, 999]  # tench, Shih-Tzu, dingo, toilet tissue
        with caplog.at_level("INFO"):
            data = self.made(
                tmp_path, lambda n: {"cls": str(labels[n % 4]).encode()}, ["n02115641", "n02086240"],
                label_numbers="imagenet", label="cls",
            )  # fmt: skip
        seen, found = collect(data.val_dataloader())
        assert [(number % 4, cls) for number, cls in zip(seen, found, strict=True)] == [(1, 1), (2, 0)] * 6
        assert "data.train: 12 images are taken, 12 of other classes of ImageNet left out" in caplog.text

    def test_numbers_beyond_the_list_ask_what_they_count(self, tmp_path):
        with pytest.raises(ShardError, match=r"s00000 has the label 155, .* set data\.label_numbers: imagenet"):
            self.made(tmp_path, lambda n: {"cls": b"155"}, ["n02115641", "n02086240"])

    @pytest.mark.parametrize(("field", "value"), [("json:wnid", "n02115641"), ("json:name", "dingo"), ("json:i", 0)])
    def test_json_fields_are_named_with_their_key(self, tmp_path, field, value):
        content = json.dumps({field.partition(":")[2]: value}).encode()
        data = self.made(tmp_path, lambda n: {"json": content}, ["n02115641"], label_field=field)
        assert set(data.train_samples().source.labels.tolist()) == {273}

    @pytest.mark.parametrize(
        ("fields", "label_field", "message"),
        [
            ({"cls": b"wolf"}, "cls", "label 'wolf', which is none of the classes"),
            ({"cls": b""}, "cls", r"data\.label_field='cls' is ''"),
            ({"cls": b"\xff"}, "cls", "cannot be read"),
            ({"json": b"{"}, "json:label", "cannot be read"),
            ({"json": b'{"label": 1.5}'}, "json:label", "is 1.5, expected a number or a name"),
            ({"json": b"{}"}, "json:label", "is None"),
            ({"json": b"[1]"}, "json:label", "is None"),
            ({"cls": b"1000"}, "cls", "has the label 1000"),
            ({"cls": b"-1"}, "cls", "label '-1', which is none"),
            ({"cls": b"9" * 5000}, "cls", "label '9{80}', which is none"),
            ({"json": b'{"label": "\\ud800"}'}, "json:label", "cannot be read"),
            ({"json": b"[" * 10**5}, "json:label", "cannot be read"),
        ],
    )
    def test_labels_that_are_none_are_refused(self, tmp_path, fields, label_field, message):
        with pytest.raises(ShardError, match=rf"s00000.*{message}"):
            self.made(tmp_path, lambda n: fields, ["n02115641"], label_field=label_field)

    def test_shards_of_other_classes_alone_are_an_error(self, tmp_path):
        with pytest.raises(ShardError, match=r"no image is of the classes of data\.classes"):
            self.made(tmp_path, lambda n: {"cls": b"5"}, ["n02115641"], label_numbers="imagenet")

    def test_a_class_without_images_is_named(self, shards):
        with pytest.warns(UserWarning, match=r"no image is of 1 of the 3 classes: \['n02115641'\]") as caught:
            module(shards, ["n02086240", "n02087394", "n02115641"], val=shards)
        said = [str(warning.message).partition(":")[0] for warning in caught]
        assert said == ["data.val", "data.train"]


STREAM = {"stream": True, "epoch_samples": 24, "val": "shards"}


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"train": "nowhere/*.tar"}, r"data\.train: nowhere/\*\.tar is no file"),
        ({"train": ["shards", "shards"]}, r"data\.train: .* come twice"),
        ({"train": []}, "names no shard"),
        ({"epoch_samples": 10}, r"data\.epoch_samples is for streams"),
        ({**STREAM, "val": None}, r"data\.val=null: no image of a stream can be held out"),
        ({**STREAM, "epoch_samples": None}, r"data\.epoch_samples=None: a stream does not know its length"),
        ({**STREAM, "epoch_samples": 0}, r"data\.epoch_samples=0"),
        ({**STREAM, "readers": 0}, r"data\.readers=0"),
        ({**STREAM, "shuffle": 0}, r"data\.shuffle=0"),
        ({**STREAM, "readers": 8, "num_workers": 3}, r"data\.readers=8 is no multiple of data\.num_workers=3"),
        ({"val": "https://example.org/a.tar"}, r"data\.val: https.* must be uncompressed shards of this machine"),
        ({"train": "https://example.org/a.tar", "stream": False}, r"data\.stream=False: https"),
        ({"label_numbers": "row"}, r"data\.label_numbers='row'"),
        ({"label_numbers": "imagenet", "classes": "digits"}, "no class of data.classes is one of ImageNet's"),
        ({"class_rows": "mine"}, "class_rows='mine'"),
    ],
)
def test_impossible_settings_name_the_key(shards, classes, tmp_path, monkeypatch, wrong, key):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=key):
        WebDatasetDataModule(**{"train": "shards", "classes": classes, "val": "shards", **wrong})


def test_images_of_a_stream_have_no_numbers(shards, classes):
    with pytest.raises(ValueError, match="a stream, whose images cannot be listed"):
        module(shards, classes, **{**STREAM, "val": shards}).train_samples()


def test_compressed_shards_are_streamed(tmp_path, classes, shards):
    write_shards(tmp_path / "packed", suffix="tar.gz")
    data = module(str(tmp_path / "packed" / "*.tar.gz"), classes, val=shards, epoch_samples=24, readers=1, shuffle=1)
    assert data.streams
    assert len(collect(data.train_dataloader())[0]) == 24


def test_an_odd_shard_is_named(tmp_path, classes):
    path = write_tar(tmp_path / "a.tar", [("a.png", picture(0, 0)), ("a.cls", b"0")])
    path.write_bytes(b"\x00" * 10240)
    with pytest.raises(ShardError, match=r"a\.tar holds no samples"):
        module(str(path), classes)
    Path(path).write_text("hello " * 200)
    with pytest.raises(ShardError, match=r"a\.tar is no uncompressed tar file"):
        module(str(path), classes)


def test_fewer_shards_than_readers_are_warned_about_and_do_no_harm(shards, classes):
    data = module(shards, classes, val=shards, stream=True, epoch_samples=24, readers=3)
    with pytest.warns(
        UserWarning, match=r"data\.train has 4 shards for 2 devices with data\.readers=3 each.*Lower data\.re"
    ):
        loader = data.training_loader(1, 2, accumulation=1)
    assert [len(batch.label) for batch in loader] == [4, 4, 4]
