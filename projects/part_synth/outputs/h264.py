"""H.264 through the ffmpeg that the package imageio-ffmpeg carries: what browsers play."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

# Quality of x264, 0 to 51, 51 being worst; skeletons are thin lines.
_CRF = 20
# 30000 / 1001 is found from its decimals.
_MOST_DENOMINATOR = 10010


@functools.cache
def ffmpeg_with_h264() -> str | None:
    """An ffmpeg that encodes H.264.

    Returns:
        str | None: The program; None where imageio-ffmpeg is missing, or has none that can.
    """
    try:
        import imageio_ffmpeg

        program = imageio_ffmpeg.get_ffmpeg_exe()
        encoders = subprocess.run(
            [program, "-hide_banner", "-encoders"], capture_output=True, text=True, check=True
        ).stdout
    # RuntimeError: the package found no program.
    except (ImportError, RuntimeError, OSError, subprocess.CalledProcessError):
        return None
    return program if "libx264" in encoders else None


class H264Writer:
    """Sends frames to ffmpeg, which writes an ``.mp4`` that plays while it is loaded.

    yuv420p, BT.709, the index of the file at its beginning. It has a session of its own, so that
    Ctrl-C of the terminal does not reach it before the last frames do.

    Args:
        path: File.
        fps: Frames per second.
        size: (width, height) px, both even.

    Raises:
        OSError: There is no ffmpeg that can.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        program = ffmpeg_with_h264()
        if program is None:
            raise OSError("There is no ffmpeg with H.264.")
        rate = Fraction(fps).limit_denominator(_MOST_DENOMINATOR)
        rate = max(rate, Fraction(1, _MOST_DENOMINATOR))
        words = (
            f"-y -loglevel error -f rawvideo -pix_fmt rgb24 -s {size[0]}x{size[1]} -r {rate} -i - "
            f"-an -c:v libx264 -preset veryfast -crf {_CRF} -pix_fmt yuv420p "
            "-vf scale=out_color_matrix=bt709:out_range=tv "
            "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -movflags +faststart"
        )
        # Not a pipe: nobody reads it before the end.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the program runs
        self.path = path
        self._process = subprocess.Popen(
            # The path with its kind: a name that begins with a dash is no option.
            [program, *words.split(), f"file:{path}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,
        )

    def write(self, image: np.ndarray) -> None:
        """Add a frame.

        Args:
            image: (height, width, 3) uint8 RGB.

        Raises:
            OSError: It can't be written, such as on a full disk.
        """
        try:
            self._process.stdin.write(np.ascontiguousarray(image).data)
        except BrokenPipeError as error:
            raise OSError(self._complaint()) from error

    def close(self) -> None:
        """Finish the file.

        Raises:
            OSError: It could not be finished.
        """
        if self._process.stdin.closed:
            return
        try:
            self._process.stdin.close()
        except BrokenPipeError as error:
            raise OSError(self._complaint()) from error
        if self._process.wait() != 0:
            raise OSError(self._complaint())
        self._said.close()

    def _complaint(self) -> str:
        self._process.wait()
        self._said.seek(0)
        said = " ".join(self._said.read().decode(errors="replace").split())[-300:]
        return f"ffmpeg can't write the video {self.path}: {said or 'it ended'}"
