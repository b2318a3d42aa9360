"""Makes datasets/tests/golden/formats/: small files of every format, depth, colour type and orientation, and their pixels by Pillow.

    .venv/bin/python tools/golden/image_formats.py

Where Pillow does not open a kind of file, or gives 16 bits, the pixels are those that were written, 16 bits cut as the decoder
documents. `near` marks formats with loss, whose decoders may differ by a level. `luma` is the grey image by Pillow's `convert("L")`;
`stored` are the channels of a file with two of them, or four and more, as they are stored.
"""

import hashlib
import io
import json
import pathlib
import struct
import zlib

import numpy
import PIL
from PIL import Image, ImageOps, PngImagePlugin, TiffImagePlugin, features

HERE = pathlib.Path(__file__).resolve().parents[2] / "datasets" / "tests" / "golden" / "formats"
WIDTH, HEIGHT = SIZE = (19, 11)

assert features.check("webp") and features.check("jpg_2000") and features.check("libtiff")
HERE.mkdir(parents=True, exist_ok=True)
for old in HERE.iterdir():
    old.unlink()

y, x = numpy.mgrid[0:HEIGHT, 0:WIDTH]
RGB = numpy.stack([x * 255 // (WIDTH - 1), y * 255 // (HEIGHT - 1), (x * 7 + y * 31) % 256], -1).astype(numpy.uint8)
ALPHA = ((x + y) * 9 % 256).astype(numpy.uint8)
GREY = ((x * 11 + y * 5) % 256).astype(numpy.uint8)
DEEP = ((x * 3331 + y * 977) % 65536).astype(numpy.uint16)
rgb, grey = Image.fromarray(RGB), Image.fromarray(GREY)
rgba = rgb.copy()
rgba.putalpha(Image.fromarray(ALPHA))
other = rgb.transpose(Image.Transpose.ROTATE_180)
COLOURS = [(5, 90, 200), (250, 1, 2), (3, 240, 30), (120, 121, 122), (255, 255, 255), (0, 0, 0), (17, 34, 51), (200, 100, 0)]
INDICES = ((x + 2 * y) % len(COLOURS)).astype(numpy.uint8)
PAINTED = numpy.array(COLOURS, numpy.uint8)[INDICES]
indexed = Image.fromarray(INDICES, "P")
indexed.putpalette([level for colour in COLOURS for level in colour])

facts = {}


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def luma(pixels):
    red, green, blue = (pixels[..., channel].astype(numpy.uint32) for channel in range(3))
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).astype(numpy.uint8)


def put(name, content, pixels=None, near=False, samples=None, **stated):
    """Writes a file, and what Pillow reads from it; `pixels` where Pillow does not open it or keeps more than eight bits, and
    `samples` where it does not give all channels."""
    path = HERE / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    fact = {"width": WIDTH, "height": HEIGHT, "orientation": 1, "bits": 8, "significant_bits": None}
    fact |= {"grey": False, "cmyk": False, "alpha": False, "animated": False, "near": near} | stated
    if fact["significant_bits"] is None:
        fact["significant_bits"] = fact["bits"]
    if pixels is None:
        with Image.open(path) as image:
            turned = image.format == "TIFF" and fact["orientation"] > 4  # of a TIFF, Pillow states the upright size
            assert image.size[:: -1 if turned else 1] == (fact["width"], fact["height"]), (name, image.size)
            assert image.getexif().get(0x0112, 1) == fact["orientation"] or not 1 <= image.getexif()[0x0112] <= 8, name
            assert (getattr(image, "n_frames", 1) > 1) == fact["animated"], name
            upright = ImageOps.exif_transpose(image)
            pixels, grey_pixels = numpy.asarray(upright.convert("RGB")), numpy.asarray(upright.convert("L"))
            # Ours is the grey of the decoded colours, whatever Pillow does inside.
            assert numpy.array_equal(grey_pixels, luma(pixels)), name
            only_colours = image.format in ("BMP", "GIF") or image.mode == "P" or (image.format == "WEBP" and fact["animated"])
            fact["channels"] = 3 if only_colours else len(image.getbands())
            if image.format in ("TIFF", "PNG", "WEBP") and fact["channels"] not in (1, 3):
                samples = numpy.asarray(upright) if samples is None else samples
    else:
        pixels = numpy.asarray(pixels, numpy.uint8)
        try:
            with Image.open(path) as image:
                if image.mode in ("RGB", "RGBA", "L", "P", "1", "CMYK", "LA", "PA"):
                    seen = numpy.asarray(ImageOps.exif_transpose(image).convert("RGB"))
                    if not numpy.array_equal(seen, pixels):
                        print(f"{name}: Pillow differs by {numpy.abs(seen.astype(int) - pixels).max()}")
                else:
                    print(f"{name}: Pillow's mode {image.mode}")
        except Exception as error:
            print(f"{name}: Pillow: {error}")
        grey_pixels = luma(pixels)
        fact.setdefault("channels", 1 if fact["grey"] else 3)
    if samples is not None:
        samples = numpy.asarray(samples).astype(numpy.uint8)
        fact["channels"] = samples.shape[-1]

    def digest(levels):
        return levels.tobytes().hex() if near else hashlib.sha256(levels.tobytes()).hexdigest()

    fact |= {"pixels": digest(pixels), "luma": digest(grey_pixels), "stored": None if samples is None else digest(samples)}
    facts[name] = fact


def save(name, image, near=False, pixels=None, stated=None, **options):
    image.save(HERE / name, **options)
    put(name, None, pixels, near, **(stated or {}))


def repeated(levels):
    return numpy.repeat(levels[..., None], 3, -1)


# JPEG
save("rgb.jpg", rgb, True, quality=80)
save("progressive.jpg", rgb, True, quality=80, progressive=True)
save("sampled.jpg", rgb, True, quality=90, subsampling=0)
save("grey.jpg", grey, True, quality=80, stated={"grey": True})
save("cmyk.jpg", rgb.convert("CMYK"), True, quality=80, stated={"cmyk": True})
for orientation in range(1, 9):
    save(f"turned_{orientation}.jpg", rgb, True, quality=80, exif=exif(orientation), stated={"orientation": orientation})
save("turned_0.jpg", rgb, True, quality=80, exif=exif(0))
save("turned_9.jpg", rgb, True, quality=80, exif=exif(9))
with io.BytesIO() as file:
    rgb.save(file, "JPEG", quality=80, exif=exif(6))
    jpeg = file.getvalue()
put("upper.JPG", jpeg, near=True, orientation=6)


# PNG
def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(depth, colour, rows, before=b"", after=b""):
    """A PNG of the packed bytes of its rows."""
    raw = b"".join(b"\0" + row for row in rows)
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour, 0, 0, 0)
    content = chunk(b"IHDR", head) + before + chunk(b"IDAT", zlib.compress(raw, 9)) + after + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def packed(levels, bits):
    """Rows of samples of fewer than eight bits."""
    rows = []
    for row in levels:
        places = "".join(f"{level:0{bits}b}" for level in row)
        rows.append(bytes(int(places[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(places), 8)))
    return rows


def big(levels):
    return [row.astype(">u2").tobytes() for row in levels]


save("rgb.png", rgb)
save("alpha.png", rgba, stated={"alpha": True})
save("grey.png", grey, stated={"grey": True})
save("grey_alpha.png", rgba.convert("LA"), stated={"grey": True, "alpha": True})
save("interlaced.png", rgb)
for bits in (1, 2, 4):
    levels = (x + y) % (1 << bits)
    put(f"grey_{bits}.png", png(bits, 0, packed(levels, bits)), bits=bits, grey=True)
    colours = [level for colour in COLOURS * 2 for level in colour][: 3 << bits]
    put(f"palette_{bits}.png", png(bits, 3, packed(levels, bits), chunk(b"PLTE", bytes(colours))), bits=bits)
put("palette.png", png(8, 3, list(map(bytes, INDICES)), chunk(b"PLTE", bytes(sum(map(list, COLOURS), [])))))
put(
    "palette_alpha.png",
    png(8, 3, list(map(bytes, INDICES)), chunk(b"PLTE", bytes(sum(map(list, COLOURS), []))) + chunk(b"tRNS", b"\0\x80")),
    alpha=True,
)
put("transparent.png", png(8, 2, [row.tobytes() for row in RGB], chunk(b"tRNS", bytes(6))), alpha=True)
DEEP_RGB = numpy.stack([DEEP, DEEP // 3, 65535 - DEEP], -1)
put("deep.png", png(16, 0, big(DEEP)), repeated(DEEP >> 8), bits=16, grey=True)
put("deep_rgb.png", png(16, 2, big(DEEP_RGB)), DEEP_RGB >> 8, bits=16)
DEEP_RGBA = numpy.concatenate([DEEP_RGB, DEEP_RGB[..., :1]], -1)
put("deep_alpha.png", png(16, 6, big(DEEP_RGBA)), DEEP_RGB >> 8, samples=DEEP_RGBA >> 8, bits=16, alpha=True)
for bits in (10, 12, 14):
    said = chunk(b"sBIT", bytes([bits]))
    low = DEEP >> (16 - bits)
    put(f"low_{bits}.png", png(16, 0, big(low), said), repeated(low >> (bits - 8)), bits=16, grey=True, significant_bits=bits)
    high = low << (16 - bits) | low >> (2 * bits - 16)
    put(f"high_{bits}.png", png(16, 0, big(high), said), repeated(high >> 8), bits=16, grey=True, significant_bits=bits)
put(
    "low_12_rgb.png",
    png(16, 2, big(DEEP_RGB >> 4), chunk(b"sBIT", b"\x0c\x0c\x0c")),
    DEEP_RGB >> 8,
    bits=16,
    significant_bits=12,
)
save("animated.png", rgb, save_all=True, append_images=[other], default_image=False, stated={"animated": True})
for orientation in range(1, 9):
    save(f"turned_{orientation}.png", rgb, exif=exif(orientation), stated={"orientation": orientation})
block = exif(8).tobytes().removeprefix(b"Exif\0\0")
put("turned_after.png", png(8, 2, [row.tobytes() for row in RGB], after=chunk(b"eXIf", block)), orientation=8)

# WebP
save("lossy.webp", rgb, True, quality=60)
save("lossless.webp", rgb, lossless=True)
save("alpha.webp", rgba, True, quality=60, exact=True, stated={"alpha": True})
save("lossless_alpha.webp", rgba, lossless=True, exact=True, stated={"alpha": True})
save("animated.webp", rgb, True, save_all=True, append_images=[other], stated={"animated": True})
save("animated_lossless.webp", rgb, lossless=True, save_all=True, append_images=[other], stated={"animated": True, "alpha": True})
for orientation in range(1, 9):
    save(f"turned_{orientation}.webp", rgb, lossless=True, exif=exif(orientation), stated={"orientation": orientation})


def riff(kind, content):
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def three(number):
    return struct.pack("<I", number)[:3]


still = (HERE / "lossless.webp").read_bytes()[12:]
frame = three(2) + three(1) + three(WIDTH - 1) + three(HEIGHT - 1) + three(100) + b"\0" + still
placed = riff(b"ANIM", b"\x10\x20\x30\xff\0\0") + riff(b"ANMF", frame) + riff(b"ANMF", frame)
placed = riff(b"VP8X", b"\x02\0\0\0" + three(WIDTH + 7) + three(HEIGHT + 5)) + placed
put("animated_placed.webp", riff(b"RIFF", b"WEBP" + placed), width=WIDTH + 8, height=HEIGHT + 6, animated=True)

# GIF
save("palette.gif", indexed)
save("grey.gif", grey)
save("transparent.gif", indexed, transparency=2, stated={"alpha": True})
save("animated.gif", indexed, save_all=True, append_images=[indexed.transpose(Image.Transpose.ROTATE_180)], stated={"animated": True})
save("interlaced.gif", indexed, interlace=True)


def gif(left, top, canvas, control=b"", local=b"", table=True):
    """The first image of palette.gif on another canvas."""
    whole = (HERE / "palette.gif").read_bytes()
    start = whole.index(b"," + struct.pack("<HHHH", 0, 0, WIDTH, HEIGHT))
    colours = whole[13 : 13 + 24]
    head = b"GIF89a" + struct.pack("<HHBBB", *canvas, 0xF2 if table else 0x70, 3, 0) + (colours if table else b"")
    place = b"," + struct.pack("<HHHHB", left, top, WIDTH, HEIGHT, 0x82 if local else 0)
    return head + control + place + local + whole[start + 10 :]


bigger = {"width": WIDTH + 6, "height": HEIGHT + 5}
put("placed.gif", gif(3, 2, (WIDTH + 6, HEIGHT + 5)), **bigger)
control = b"\x21\xf9\x04\x01\0\0\x04\0"
put("placed_transparent.gif", gif(3, 2, (WIDTH + 6, HEIGHT + 5), control), alpha=True, **bigger)
put("beyond.gif", gif(6, 5, (WIDTH, HEIGHT)), **bigger)
local = bytes(sum(map(list, reversed(COLOURS)), []))
put("local.gif", gif(0, 0, SIZE, local=local))
put("no_palette.gif", gif(0, 0, SIZE, table=False))


# BMP
def little(levels, kind):
    return [row.astype(kind).tobytes() for row in levels]


def bmp(bits, rows, header=40, compression=0, palette=b"", masks=(), top_down=False, data=None):
    rows = [row.ljust((WIDTH * bits + 31) // 32 * 4, b"\0") for row in rows]
    data = b"".join(rows if top_down else rows[::-1]) if data is None else data
    if header == 12:
        info = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, bits)
    else:
        high = -HEIGHT if top_down else HEIGHT
        info = struct.pack("<IiiHHIIiiII", header, WIDTH, high, 1, bits, compression, len(data), 2835, 2835, 0, 0)
    info += b"".join(struct.pack("<I", mask) for mask in masks)
    info = info.ljust(header, b"\0") if header != 40 else info
    start = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + palette + data


BGR = [row[:, ::-1].tobytes() for row in RGB]
RED, GREEN, BLUE = (RGB[..., channel].astype(numpy.uint32) for channel in range(3))
FOUR = [bytes(colour[::-1]) + b"\0" for colour in COLOURS]
TABLE = b"".join(FOUR)
TABLE_256, TABLE_16 = TABLE.ljust(1024, b"\0"), TABLE.ljust(64, b"\0")
save("rgb.bmp", rgb)
save("grey.bmp", grey)
put("top_down.bmp", bmp(24, BGR, top_down=True))
put("os2.bmp", bmp(24, BGR, header=12))
put("os2_palette.bmp", bmp(8, list(map(bytes, INDICES)), 12, palette=b"".join(c[:3] for c in FOUR).ljust(768, b"\0")))
put("os2_64.bmp", bmp(24, BGR, header=64))
put("palette.bmp", bmp(8, list(map(bytes, INDICES)), palette=TABLE_256))
put("palette_4.bmp", bmp(4, packed(INDICES, 4), palette=TABLE_16), bits=4)
put("palette_1.bmp", bmp(1, packed(INDICES % 2, 1), palette=TABLE[:8]), bits=1)
for header in (52, 56, 108, 124):
    bgra = (ALPHA.astype(numpy.uint32) << 24) | (BLUE << 16) | (GREEN << 8) | RED
    masks = (0xFF, 0xFF00, 0xFF0000, 0xFF000000)[: 3 if header == 52 else 4]
    put(f"fields_{header}.bmp", bmp(32, little(bgra, "<u4"), header, 3, masks=masks), RGB)
put("fields_bgra.bmp", bmp(32, little(RED << 16 | GREEN << 8 | BLUE, "<u4"), 40, 3, masks=(0xFF0000, 0xFF00, 0xFF)))
put("fields_xrgb.bmp", bmp(32, little(RED << 24 | GREEN << 16 | BLUE << 8, "<u4"), 40, 3, masks=(0xFF000000, 0xFF0000, 0xFF00)), RGB)
put("fields_rgb.bmp", bmp(32, little(BLUE << 16 | GREEN << 8 | RED, "<u4"), 40, 3, masks=(0xFF, 0xFF00, 0xFF0000)), RGB)
put("fields_alpha.bmp", bmp(32, little(BLUE << 16 | GREEN << 8 | RED, "<u4"), 40, 6, masks=(0xFF, 0xFF00, 0xFF0000, 0xFF000000)), RGB)
put("plain_32.bmp", bmp(32, little(RED << 16 | GREEN << 8 | BLUE, "<u4")))
put("fields_10.bmp", bmp(32, little(RED << 22 | GREEN << 12 | BLUE << 2, "<u4"), 40, 3, masks=(0x3FF00000, 0xFFC00, 0x3FF)), [[[int(v) * 4 * 255 // 1023 for v in p] for p in r] for r in RGB])
low = RGB.astype(numpy.uint16)
put("fields_565.bmp", bmp(16, little(low[..., 0] >> 3 << 11 | low[..., 1] >> 2 << 5 | low[..., 2] >> 3, "<u2"), 40, 3, masks=(0xF800, 0x7E0, 0x1F)))
put("plain_16.bmp", bmp(16, little(low[..., 0] >> 3 << 10 | low[..., 1] >> 3 << 5 | low[..., 2] >> 3, "<u2")))
runs = b"".join(b"".join(bytes([1, index]) for index in row) + b"\0\0" for row in INDICES[::-1]) + b"\0\1"
put("runs_8.bmp", bmp(8, [], compression=1, palette=TABLE_256, data=runs))
literal = b"".join(b"\0" + bytes([WIDTH]) + bytes(row) + b"\0" + b"\0\0" for row in INDICES[::-1]) + b"\0\1"
put("literal_8.bmp", bmp(8, [], compression=1, palette=TABLE_256, data=literal))
half = b"".join(bytes([WIDTH, int(row[0]) << 4 | int(row[1])]) + b"\0\0" for row in INDICES[::-1]) + b"\0\1"
put("runs_4.bmp", bmp(4, [], compression=2, palette=TABLE_16, data=half), bits=4)
skipped = b"\0\2\3\1" + bytes([5, 1]) + b"\0\1"
sparse = numpy.zeros((HEIGHT, WIDTH), int)
sparse[HEIGHT - 2, 3:8] = 1
put("skips_8.bmp", bmp(8, [], compression=1, palette=TABLE_256, data=skipped), numpy.array(COLOURS)[sparse])

# TIFF
CODES = {"raw": "none", "tiff_lzw": "lzw", "tiff_adobe_deflate": "deflate", "packbits": "packbits"}
for compression, word in CODES.items():
    save("rgb.tif" if word == "lzw" else f"rgb_{word}.tif", rgb, compression=compression)
save("alpha.tif", rgba, stated={"alpha": True})
save("grey.tif", grey, stated={"grey": True})
save("grey_alpha.tif", rgba.convert("LA"), stated={"grey": True, "alpha": True})
save("palette.tiff", indexed)
save("cmyk.tif", rgb.convert("CMYK"), stated={"cmyk": True})
save("jpeg.tif", rgb, True, compression="jpeg", quality=90)
save("bilevel.tif", grey.convert("1"), stated={"grey": True, "bits": 1})
save("group4.tif", grey.convert("1"), compression="group4", stated={"grey": True, "bits": 1})
save("group3.tif", grey.convert("1"), compression="group3", stated={"grey": True, "bits": 1})
save("predicted.tif", rgb, compression="tiff_lzw", tiffinfo={317: 2})
save("two_pages.tif", rgb, save_all=True, append_images=[other], stated={"animated": True})
for orientation in range(1, 9):
    save(f"turned_{orientation}.tif", rgb, tiffinfo={274: orientation}, stated={"orientation": orientation})


def tiff(entries, data, big_endian=False, long=False):
    """A TIFF of these tags; `data` is its strips or tiles."""
    e = ">" if big_endian else "<"
    code = {1: "B", 3: "H", 4: "I", 16: "Q"}
    offsets, place = [], 16 if long else 8
    for part in data:
        offsets.append(place)
        place += len(part)
    tags = entries | {(324 if 322 in entries else 273): (4, offsets), (325 if 322 in entries else 279): (4, list(map(len, data)))}
    table, extra = b"", b""
    end = place + (8 + 20 * len(tags) + 8 if long else 2 + 12 * len(tags) + 4)
    inline = 8 if long else 4
    for tag, (kind, values) in sorted(tags.items()):
        content = struct.pack(f"{e}{len(values)}{code[kind]}", *values)
        head = struct.pack(f"{e}HH{'Q' if long else 'I'}", tag, kind, len(values))
        if len(content) <= inline:
            table += head + content.ljust(inline, b"\0")
        else:
            table += head + struct.pack(f"{e}{'Q' if long else 'I'}", end + len(extra))
            extra += content
    mark = b"MM" if big_endian else b"II"
    start = mark + (struct.pack(f"{e}HHHQ", 43, 8, 0, place) if long else struct.pack(f"{e}HI", 42, place))
    count = struct.pack(f"{e}{'Q' if long else 'H'}", len(tags))
    return start + b"".join(data) + count + table + bytes(8 if long else 4) + extra


def plain(bits, photometric, samples=1, **more):
    tags = {256: (3, [WIDTH]), 257: (3, [HEIGHT]), 258: (3, [bits] * samples), 259: (3, [1]), 262: (3, [photometric])}
    return tags | {277: (3, [samples])} | {int(tag[1:]): value for tag, value in more.items()}


whole = b"".join(map(bytes, GREY))
put("black_is_one.tif", tiff(plain(8, 0), [whole]), grey=True)
for bits in (1, 2, 4):
    levels = (x + y) % (1 << bits)
    rows = b"".join(packed(levels, bits))
    put(f"grey_{bits}.tif", tiff(plain(bits, 1), [rows]), bits=bits, grey=True)
    table = [level * 257 for channel in range(3) for level in [(COLOURS * 2)[index][channel] for index in range(1 << bits)]]
    expected = numpy.array(COLOURS * 2, numpy.uint8)[levels]
    put(f"palette_{bits}.tif", tiff(plain(bits, 3, t320=(3, table)), [rows]), expected, bits=bits)
tiles = []
for top in range(0, HEIGHT, 16):
    for left in range(0, WIDTH, 16):
        tile = numpy.zeros((16, 16, 3), numpy.uint8)
        part = RGB[top : top + 16, left : left + 16]
        tile[: part.shape[0], : part.shape[1]] = part
        tiles.append(tile.tobytes())
put("tiled.tif", tiff(plain(8, 2, 3, t322=(3, [16]), t323=(3, [16])), tiles))
put("strips.tif", tiff(plain(8, 2, 3, t278=(3, [4])), [RGB[top : top + 4].tobytes() for top in range(0, HEIGHT, 4)]))
put("planar.tif", tiff(plain(8, 2, 3, t284=(3, [2])), [RGB[..., channel].tobytes() for channel in range(3)]))
put("big_endian.tif", tiff(plain(16, 1), [DEEP.astype(">u2").tobytes()], True), repeated(DEEP >> 8), bits=16, grey=True)
put("big.tif", tiff(plain(8, 2, 3), [RGB.tobytes()], long=True))
put("deep.tif", tiff(plain(16, 1), [DEEP.astype("<u2").tobytes()]), repeated(DEEP >> 8), bits=16, grey=True)
put("deep_rgb.tif", tiff(plain(16, 2, 3), [DEEP_RGB.astype("<u2").tobytes()]), DEEP_RGB >> 8, bits=16)
for bits in (10, 12, 14):
    for tag, word in ((281, "most"), (341, "most_of_type")):
        low = DEEP >> (16 - bits)
        content = tiff(plain(16, 1, **{f"t{tag}": (3, [(1 << bits) - 1])}), [low.astype("<u2").tobytes()])
        put(f"{word}_{bits}.tif", content, repeated(low >> (bits - 8)), bits=16, grey=True, significant_bits=bits)
five = numpy.concatenate([RGB, ALPHA[..., None], ALPHA[..., None]], -1)
put("extra_samples.tif", tiff(plain(8, 2, 5, t338=(3, [0, 0])), [five.tobytes()]), RGB, samples=five, alpha=True)
associated = numpy.concatenate([RGB, ALPHA[..., None]], -1)
put("unassociated.tif", tiff(plain(8, 2, 4, t338=(3, [2])), [associated.tobytes()]), RGB, samples=associated, alpha=True)


# TIFF with the channels of other sensors, which Pillow does not read: what was written is what is expected.
def packbits(content):
    return b"".join(bytes([len(part) - 1]) + part for part in (content[at : at + 128] for at in range(0, len(content), 128)))


def lzw(content):
    """Every byte as itself, in codes of nine bits: the table is cleared before it would need ten."""
    codes = []
    for at in range(0, len(content), 240):
        codes += [256, *content[at : at + 240]]
    digits = "".join(f"{code:09b}" for code in codes + [257])
    digits = digits.ljust((len(digits) + 7) // 8 * 8, "0")
    return int(digits, 2).to_bytes(len(digits) // 8, "big")


PACK = {1: bytes, 5: lzw, 8: zlib.compress, 32773: packbits}


def bands(count, bits=8):
    """Channels without any likeness."""
    levels = [(x * (331 + 97 * band) + y * (977 - 41 * band) + band * 4001) % (1 << bits) for band in range(count)]
    return numpy.stack(levels, -1).astype(numpy.uint16 if bits > 8 else numpy.uint8)


def cells(levels, side):
    """Square tiles, padded."""
    for top in range(0, HEIGHT, side):
        for left in range(0, WIDTH, side):
            cell = numpy.zeros((side, side, *levels.shape[2:]), levels.dtype)
            part = levels[top : top + side, left : left + side]
            cell[: part.shape[0], : part.shape[1]] = part
            yield cell


def put_bands(name, levels, photometric=1, compression=1, planar=False, tile=0, rows=HEIGHT, predict=False, big_endian=False,
              extra=0, shift=8, orientation=1, **stated):
    bits, count = levels.dtype.itemsize * 8, levels.shape[-1]
    planes = [levels[..., band] for band in range(count)] if planar else [levels]
    tags = plain(bits, photometric, count, t259=(3, [compression]), t284=(3, [2 if planar else 1]))
    colours = {1: 1, 2: 3, 5: 4}[photometric]
    if count > colours:
        tags[338] = (3, [extra] + [0] * (count - colours - 1))
    if tile:
        tags |= {322: (3, [tile]), 323: (3, [tile])}
        parts = [cell for plane in planes for cell in cells(plane, tile)]
    else:
        tags[278] = (3, [rows])
        parts = [plane[top : top + rows] for plane in planes for top in range(0, HEIGHT, rows)]
    if predict:
        tags[317] = (3, [2])
        parts = [numpy.concatenate([part[:, :1], part[:, 1:] - part[:, :-1]], 1) for part in parts]
    if orientation != 1:
        tags[274] = (3, [orientation])
    if "significant_bits" in stated:
        tags[281] = (3, [(1 << stated["significant_bits"]) - 1] * count)
    kind = f"{'>' if big_endian else '<'}u{bits // 8}"
    content = tiff(tags, [PACK[compression](part.astype(kind).tobytes()) for part in parts], big_endian)
    eight = (levels >> shift if bits == 16 else levels).astype(numpy.uint8)
    eight = {1: eight, 6: numpy.rot90(eight, -1)}[orientation]
    if photometric == 5:
        shown = numpy.asarray(Image.fromarray(eight[..., :4], "CMYK").convert("RGB"))
    else:
        shown = eight[..., :3] if photometric == 2 else repeated(eight[..., 0])
    facts_of = {"bits": bits, "grey": photometric == 1 and count < 3, "cmyk": photometric == 5, "alpha": count > colours}
    put(name, content, shown, samples=eight, orientation=orientation, **facts_of | stated)


put_bands("bands_2.tif", bands(2))
put_bands("bands_2_alpha.tif", bands(2), extra=1, compression=5)
put_bands("bands_4.tif", bands(4), compression=8)
put_bands("bands_4_rgb.tif", bands(4), photometric=2, compression=5)
put_bands("bands_4_associated.tif", bands(4), photometric=2, extra=1)
put_bands("bands_4_cmyk.tif", bands(4), photometric=5, compression=32773)
put_bands("bands_5.tif", bands(5), rows=4)
put_bands("bands_5_lzw.tif", bands(5), compression=5, rows=3, predict=True)
put_bands("bands_5_rgb_predicted.tif", bands(5), photometric=2, compression=5, predict=True)
put_bands("bands_5_rgb_tiled.tif", bands(5), photometric=2, tile=16)
put_bands("bands_4_rgb_deep.tif", bands(4, 16), photometric=2, compression=8, predict=True, rows=4)
put_bands("bands_5_planar.tif", bands(5), planar=True, rows=4)
put_bands("bands_5_rgb_planar.tif", bands(5), photometric=2, planar=True, compression=8)
put_bands("bands_5_tiled.tif", bands(5), tile=16, compression=8)
put_bands("bands_5_turned.tif", bands(5), orientation=6)
put_bands("bands_6_planar_tiled.tif", bands(6), tile=16, planar=True, compression=32773)
put_bands("bands_7_deep.tif", bands(7, 16), compression=8, predict=True, rows=5)
put_bands("bands_7_deep_planar.tif", bands(7, 16), planar=True, big_endian=True)
put_bands("bands_12_low.tif", bands(12, 12), shift=4, significant_bits=12)
put_bands("bands_16_deep.tif", bands(16, 16), photometric=2, tile=16, big_endian=True, compression=5)

# PNM
save("rgb.ppm", rgb)
save("grey.pgm", grey, stated={"grey": True})
save("bilevel.pbm", grey.convert("1"), stated={"grey": True, "bits": 1})
size = b"%d %d\n" % SIZE


def text(levels):
    return b"\n".join(b" ".join(b"%d" % level for level in row) for row in levels.reshape(HEIGHT, -1)) + b"\n"


put("text.ppm", b"P3\n# a comment\n" + size + b"255\n" + text(RGB))
put("text.pgm", b"P2 " + size + b"15 " + text(GREY % 16), grey=True, significant_bits=4)
put("text.pbm", b"P1\n" + size + text(GREY % 2), grey=True, bits=1)
put("fifteen.pgm", b"P5 " + size + b"15\n" + (GREY % 16).tobytes(), grey=True, significant_bits=4)
put("hundred.ppm", b"P6 " + size + b"100\n" + (RGB % 101).astype(numpy.uint8).tobytes(), significant_bits=7)
put("deep.pgm", b"P5 " + size + b"65535\n" + DEEP.astype(">u2").tobytes(), repeated(DEEP >> 8), grey=True, bits=16)
put("twelve.ppm", b"P6 " + size + b"4095\n" + (DEEP_RGB >> 4).astype(">u2").tobytes(), bits=16, significant_bits=12)
low = DEEP >> 4
expected = (low.astype(numpy.uint32) * 255 + 2047) // 4095
put("twelve.pgm", b"P5 " + size + b"4095\n" + low.astype(">u2").tobytes(), repeated(expected), grey=True, bits=16, significant_bits=12)

# JPEG 2000
save("lossless.jp2", rgb, irreversible=False)
save("grey.jp2", grey, irreversible=False, stated={"grey": True})
save("alpha.jp2", rgba, irreversible=False, stated={"alpha": True})

(HERE / "facts.json").write_text(json.dumps({"pillow": PIL.__version__, "files": facts}, indent=0) + "\n")
total = sum(path.stat().st_size for path in HERE.iterdir())
print(f"{len(facts)} files, {total} bytes")
