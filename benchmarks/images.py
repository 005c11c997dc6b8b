"""Images decoded, resized and cropped in a second, by threads, beside what a step needs.

python -m benchmarks.images [--num=512]

Writes nothing. PNG files of several sides are read from a temporary folder as `repgeo train` reads
them where they do not fit in memory, in batches of 128, and made 32×32. Beside the rate stands the
share of a step's time that decoding its batch takes at the rates of docs/tpu.md: below 1, the
device never waits.
"""

import argparse
import pathlib
import tempfile
import time

import numpy as np
from PIL import Image

from experiments.data import folder, pictures
from experiments.data.wanted import Wanted

SIDES = (32, 64, 256)
BATCH, SIZE = 128, 32
# Seconds of a step of DiffEnc-32-4 at batch 128: 20.2 TFLOP at 40 % of an H100's peak.
STEP = 20.2 / (0.4 * 989)


def write(path: pathlib.Path, side: int, num: int) -> None:
    """Smooth colour images with some noise, so that PNG packs them as it does photographs."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    for i in range(num):
        waves = [np.sin(9 * (a * x + b * y)) for a, b in rng.normal(size=(3, 2))]
        image = 128 + 90 * np.stack(waves, -1) + rng.normal(0, 6, (side, side, 3))
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path / f"{i:05}.png")


def rate(path: pathlib.Path) -> tuple[float, float]:
    """Images a second of wall time, and of CPU time."""
    pictures.KEPT_BYTES = 0
    wanted = Wanted(name="images", size=SIZE, channels=3)
    decoder = pictures.Decoder(folder.read_folder(path), wanted)
    num = len(decoder.pictures.names)
    wall, used = time.perf_counter(), time.process_time()
    for start in range(0, num, BATCH):
        decoder.take(np.arange(start, min(start + BATCH, num)))
    return num / (time.perf_counter() - wall), num / (time.process_time() - used)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--num", type=int, default=512, help="Images of each side.")
    num = parser.parse_args().num
    for side in SIDES:
        with tempfile.TemporaryDirectory() as made:
            write(pathlib.Path(made), side, num)
            wall, used = rate(pathlib.Path(made))
        print(
            f"{side}×{side} to {SIZE}×{SIZE}: {wall:,.0f} images/s, {used:,.0f} a CPU second; a "
            f"batch of {BATCH} takes {BATCH / wall / STEP:.2f} steps of DiffEnc-32-4 on one H100"
        )


if __name__ == "__main__":
    main()
