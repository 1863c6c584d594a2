"""File suffixes by kind, for the files of a folder and for columns that name files."""

from __future__ import annotations

FOLDER_KINDS = {
    "image": (
        ".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".png", ".apng", ".gif", ".webp", ".tif", ".tiff", ".bmp", ".dib",
        ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jpx", ".ico", ".tga", ".qoi", ".ppm", ".pgm", ".pbm", ".pnm",
    ),
    "audio": (
        ".wav", ".wave", ".flac", ".ogg", ".oga", ".mp3", ".m4a", ".m4b", ".opus", ".aac", ".wma", ".aiff", ".aif",
        ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64", ".amr", ".ac3", ".mka", ".wv", ".tta", ".mp2",
    ),
    "video": (
        ".mp4", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".mpeg", ".m4v", ".ts", ".m2ts", ".mts", ".vob", ".ogv",
        ".wmv", ".asf", ".flv", ".3gp", ".3g2", ".mxf", ".ivf", ".obu", ".h264", ".h265", ".hevc", ".m1v", ".m2v",
        ".mjpeg", ".mjpg", ".y4m",
    ),
    "tensor": (".npy", ".npz", ".safetensors", ".pt"),
    "text": (".txt", ".md"),
}  # fmt: skip
