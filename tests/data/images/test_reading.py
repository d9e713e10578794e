import io
import struct
import subprocess
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from hieramp_lit.data.images.reading import SUFFIXES, UnreadableImageError, find_images, find_unreadable, read_image


def gradient(width=24, height=16):
    """Red to the right, green downwards, blue constant."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), np.full_like(x, 90)], axis=-1).astype(np.uint8)


def pixels(path):
    image = read_image(path)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "ppm"])
def test_rgb_files_come_out_as_they_went_in(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(gradient()).save(path, **({"lossless": True} if suffix == "webp" else {}))
    assert np.array_equal(pixels(path), gradient())


def test_transparency_is_laid_on_white(tmp_path):
    path = tmp_path / "a.png"
    rgba = np.dstack([gradient(), np.full((16, 24), 255, np.uint8)])
    rgba[:, :8, 3], rgba[:, 8:16, 3] = 0, 51
    Image.fromarray(rgba).save(path)
    alpha = rgba[..., 3:] / 255
    expected = gradient() * alpha + 255 * (1 - alpha)
    assert np.abs(pixels(path) - expected).max() <= 1
    assert (pixels(path)[:, :8] == 255).all()


def test_a_palette_with_a_transparent_colour_is_laid_on_white(tmp_path):
    path = tmp_path / "a.gif"
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.putpixel((0, 0), 0)
    image.save(path, transparency=0)
    assert pixels(path)[0, 0].tolist() == [255, 255, 255]
    assert pixels(path)[1, 1].tolist() == [200, 100, 50]


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P"])
def test_grey_is_grey_in_all_channels(tmp_path, mode):
    path = tmp_path / "a.png"
    grey = Image.fromarray(gradient()[..., 0]).convert(mode)
    grey.save(path)
    found = pixels(path)
    assert (found == found[..., :1]).all()
    assert np.abs(found[..., 0] - np.asarray(grey.convert("L"))).max() == 0


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    wide = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    Image.fromarray(wide).save(path)
    assert np.array_equal(pixels(path)[..., 0].ravel(), np.arange(256))


def test_cmyk_jpegs_keep_their_colours(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(gradient()).convert("CMYK").save(path, quality=100)
    with Image.open(path) as image:
        assert image.mode == "CMYK"
    assert np.abs(pixels(path) - gradient()).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_cameras_rotation_is_applied(tmp_path, orientation):
    path = tmp_path / "a.jpg"
    undo = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.swapaxes(0, 1),
        6: np.rot90,
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(undo[orientation](gradient()))).save(path, quality=100, exif=exif)
    assert pixels(path).shape == gradient().shape
    assert np.abs(pixels(path) - gradient()).mean() < 4


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("metadata", [b"II*\x00\xff\xff\xff\xff", b"nonsense"])
def test_broken_metadata_around_whole_pixels_does_no_harm(tmp_path, metadata):
    path = tmp_path / "a.jpg"
    Image.fromarray(gradient()).save(path, quality=100, exif=b"Exif\x00\x00" + metadata)
    assert np.abs(pixels(path) - gradient()).mean() < 4


def claiming(whole, width, height):
    """A PNG whose header claims another size."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return whole[:8] + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + whole[33:]


def damaged(kind):
    """Bytes of files that look like images and are none."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(noise).save(encoded, "JPEG" if kind == "cut_jpeg" else "PNG")
    whole = encoded.getvalue()
    if kind == "wrong_checksum":
        at = whole.index(b"IDAT") + 40
        return whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]
    if kind == "bomb":
        return claiming(whole, 60000, 60000)
    return {"cut_jpeg": whole[: len(whole) // 2], "cut_png": whole[: len(whole) // 2], "text": b"hello", "empty": b""}[
        kind
    ]


@pytest.mark.parametrize("kind", ["cut_jpeg", "cut_png", "wrong_checksum", "bomb", "text", "empty"])
def test_damaged_files_are_named(tmp_path, kind):
    path = tmp_path / ("a.jpg" if kind == "cut_jpeg" else "a.png")
    path.write_bytes(damaged(kind))
    with pytest.raises(UnreadableImageError, match=str(path)):
        read_image(path)


@pytest.mark.filterwarnings("default::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("width", "height", "said"),
    [
        (10000, 8948, "10000 × 8948 pixels, 89480000 in all; at most 89478485 are decoded"),
        (30000, 30000, "900000000 pixels"),
        (101, 1, "101 × 1 pixels; a side may be 100 times"),
        (80, 8001, "80 × 8001 pixels; a side may be 100 times"),
    ],
)
def test_sizes_are_bounded_before_anything_is_decoded(tmp_path, width, height, said):
    path = tmp_path / "a.png"
    path.write_bytes(claiming(damaged("cut_png"), width, height))
    tracemalloc.start()
    with warnings.catch_warnings(action="ignore"), pytest.raises(UnreadableImageError, match=said) as error:
        read_image(path)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()
    assert str(path) in str(error.value)


def test_the_largest_sizes_allowed_are_read(tmp_path):
    Image.new("RGB", (100, 1)).save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").shape == (1, 100, 3)


def test_content_is_read_like_a_file_and_errors_give_it_the_name(tmp_path):
    Image.fromarray(gradient()).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    assert np.array_equal(np.asarray(read_image(io.BytesIO(content), "shard/key")), gradient())
    with pytest.raises(UnreadableImageError, match="shard/key: "):
        read_image(io.BytesIO(content[:60]), "shard/key")
    with pytest.raises(UnreadableImageError, match=r"^shard/key: no image of a known kind$"):
        read_image(io.BytesIO(b"text"), "shard/key")


def test_pixels_without_a_known_white_are_refused(tmp_path):
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "float.tiff")
    Image.fromarray(np.full((4, 4), 2**20, np.int32)).save(tmp_path / "wide.tiff")
    for name in ("float.tiff", "wide.tiff"):
        with pytest.raises(UnreadableImageError, match="no defined white"):
            read_image(tmp_path / name)


@pytest.mark.parametrize("kind", ["EPS", "ICO", "TGA", "PCX"])
def test_kinds_that_do_not_count_are_not_opened_whatever_their_name(tmp_path, monkeypatch, kind):
    """Pillow would start Ghostscript on the first."""
    path, started = tmp_path / "a.jpg", []
    Image.fromarray(gradient()).save(path, kind)
    monkeypatch.setattr(subprocess, "Popen", lambda *arguments, **_: started.append(arguments))
    with pytest.raises(UnreadableImageError, match=rf"^{path}: no image of a known kind$"):
        read_image(path)
    assert not started


def test_a_phones_jpeg_of_several_pictures_gives_the_first(tmp_path):
    first, second = Image.fromarray(gradient()), Image.new("RGB", (24, 16))
    first.save(tmp_path / "one.jpg", "JPEG", quality=90)
    first.save(tmp_path / "several.jpg", "MPO", save_all=True, append_images=[second], quality=90)
    with Image.open(tmp_path / "several.jpg") as image:
        assert (image.format, image.n_frames) == ("MPO", 2)
    assert np.array_equal(pixels(tmp_path / "several.jpg"), pixels(tmp_path / "one.jpg"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UnreadableImageError, match="gone"):
        read_image(tmp_path / "gone.png")


def test_every_unreadable_file_is_found_in_order(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for i, path in enumerate(paths):
        path.write_bytes(b"text") if i % 2 else Image.fromarray(gradient()).save(path)
    assert list(find_unreadable(lambda place: read_image(paths[place]), 6)) == [1, 3, 5]


def test_images_are_found_at_any_depth_and_other_kinds_are_told(tmp_path):
    images = ["a.JPG", "b/c/a.webp", "b/x.png", "z.tif"]
    others = ["LICENSE", "b/a.heic", "b/c/images.zip", "y.AVIF"]
    ignored = ["._a.jpg", ".DS_Store", "Thumbs.db", "b/a.xml", "b/a.JSON", "notes.txt", ".trash/a.png", ".trash/b.heic"]
    for name in [*images, *others, *ignored]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert find_images(tmp_path) == ([tmp_path / name for name in images], [tmp_path / name for name in others])


def test_linked_files_are_found_and_linked_folders_told(tmp_path):
    (tmp_path / "store" / "deeper").mkdir(parents=True)
    (tmp_path / "store" / "deeper" / "a.png").touch()
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "b.png").symlink_to(tmp_path / "store" / "deeper" / "a.png")
    (tmp_path / "class" / "back").symlink_to(tmp_path)
    (tmp_path / "linked").symlink_to(tmp_path / "class")
    assert find_images(tmp_path / "linked") == ([tmp_path / "linked" / "b.png"], [tmp_path / "linked" / "back"])


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_kind_that_counts_can_be_read(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    image = Image.fromarray(gradient())
    (image.convert("L") if suffix == ".pgm" else image).save(path)
    assert pixels(path).shape == gradient().shape
