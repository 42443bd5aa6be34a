"""Where the pixels of labelled frames are: picture files, videos and packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from posenas import PosenasError, UnreadableImageError
from posenas.annotations import FileImage, upright_size

from data_sleap.frames import Size, VideoFrame, frame_sizes

if TYPE_CHECKING:
    from posenas import ImageSource

    from data_sleap.labels import Frame, Labels


class Picture(NamedTuple):
    """Where a frame's pixels are, and how many.

    Attributes:
        source: gives the pixels.
        size: width and height in pixels.
    """

    source: ImageSource
    size: Size


def find_pictures(
    frames: Sequence[Frame], names: Sequence[str], paths: Mapping[str, Path], *, max_pixels: int
) -> tuple[dict[int, Picture], list[str]]:
    """Return the pictures by the position of their frame, and why others cannot be read.

    Args:
        frames: every labelled frame.
        names: by which a user knows them.
        paths: of the files that hold the pixels, by the frames' names for them.
        max_pixels: pictures with more are refused.
    """
    found: dict[int, Picture] = {}
    unreadable: list[str] = []
    sizes = _video_sizes(frames, paths)
    for position, frame in enumerate(frames):
        path = paths[frame.file]
        try:
            if frame.position is None:
                found[position] = Picture(FileImage(path, max_pixels), upright_size(path, max_pixels))
                continue
            size = sizes[path, frame.stored][frame.position]
            name = names[position] if frame.stored else ""
            source = VideoFrame(path, frame.position, frame.stored, name)
            found[position] = Picture(source, _checked(size, source, max_pixels))
        except UnreadableImageError as error:
            unreadable.append(str(error))
    return found, unreadable


def _checked(size: Size | None, source: VideoFrame, max_pixels: int) -> Size:
    if size is None:
        raise UnreadableImageError(f"{source}: there is no such frame")
    if size[0] * size[1] > max_pixels:
        raise UnreadableImageError(f"{source}: {size[0]} x {size[1]} pixels are more than dataset.max_pixels")
    return size


def _video_sizes(
    frames: Sequence[Frame], paths: Mapping[str, Path]
) -> dict[tuple[Path, str], dict[int, Size | None]]:
    """Return the sizes of frames by the file that holds them, and by their index.

    Raises:
        PosenasError: if a video cannot be opened.
    """
    indices: dict[tuple[Path, str], list[int]] = {}
    for frame in frames:
        if frame.position is not None:
            indices.setdefault((paths[frame.file], frame.stored), []).append(frame.position)
    try:
        return {key: frame_sizes(*key, wanted) for key, wanted in indices.items()}
    except UnreadableImageError as error:
        raise PosenasError(f"{error}; mend or replace it") from None


def check_files(paths: Mapping[str, Path], labels: Labels, *, option: str) -> None:
    """Check that every video is there, and that no two names lead to one file.

    A missing picture is one frame and is left out later. A missing video may be half of the data.

    Args:
        paths: the files that hold the pixels, by the frames' names for them.
        labels: what the label files hold.
        option: that names the folder of the videos.

    Raises:
        PosenasError: if not.
    """
    file = labels.files[0]
    videos = list(dict.fromkeys(frame.file for frame in labels.frames if frame.position is not None))
    missing = [name for name in videos if not paths[name].is_file()]
    if missing:
        raise PosenasError(
            f"{file}: {len(missing)} of its {len(videos)} videos are not found, such as {missing[0]}; set "
            f"{option} to a folder that holds them, below dataset.root or absolute"
        )
    names: dict[Path, list[str]] = {}
    for name, path in paths.items():
        names.setdefault(path, []).append(name)
    same = next((path for path, each in names.items() if len(each) > 1), None)
    if same:
        raise PosenasError(
            f"{file}: {len(names[same])} names lead to one file {same.name}, such as {names[same][0]}; set "
            f"{option} to a folder that has a file for each, in folders called as the names say"
        )


def short_names(frames: Sequence[Frame]) -> list[str]:
    """Return the frames' names without the folders that are common to all."""
    folders = [PurePosixPath(frame.origin).parent.parts for frame in frames]
    columns = zip(*folders, strict=False)
    common = next(
        (place for place, parts in enumerate(columns) if len(set(parts)) > 1),
        min((len(parts) for parts in folders), default=0),
    )
    return ["/".join(PurePosixPath(frame.name).parts[common:]) for frame in frames]
