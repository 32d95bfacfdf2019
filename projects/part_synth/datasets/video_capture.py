"""Videos opened without OpenCV's own words on the screen."""

from __future__ import annotations

from pathlib import Path

import cv2


def quiet_capture(path: str | Path) -> cv2.VideoCapture:
    """Open a video file with ffmpeg; the caller asks ``isOpened`` and says what is wrong."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    finally:
        cv2.utils.logging.setLogLevel(level)
