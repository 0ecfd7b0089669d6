"""Pretraining without labels: the pictures of a folder, or those of the graph's records."""

from collections.abc import Iterator
from pathlib import Path

from enrich.classifiers.neural.pretraining import File
from enrich.classifiers.soup.reading import read_unlabelled
from enrich.errors import SettingsError
from enrich.graph.record_files import read_splits
from enrich.media.pictures import PictureSource
from enrich.media.prefetch import prefetch
from enrich.soup import OpenWorkspace


def picture_files(
    pictures: Path | None, splits: Path | None, open_workspace: OpenWorkspace
) -> Iterator[File]:
    """Each picture of `pictures`, a folder or an archive, or else of the graph's records, whether a value is known or not.

    Records that `splits` puts elsewhere than into train are left out. Raises SettingsError for both sources at once, and
    while it is read ProfileError or InputError for a graph without records.
    """
    if pictures is not None and splits is not None:
        raise SettingsError("say --pictures DIR, or --splits FILE for those of the graph; not both")
    return _of_graph(splits, open_workspace) if pictures is None else read_unlabelled(pictures)


def _of_graph(splits: Path | None, open_workspace: OpenWorkspace) -> Iterator[File]:
    known = {} if splits is None else read_splits(splits)
    held = {record for split, records in known.items() if split != "train" for record in records}
    with open_workspace() as workspace, PictureSource(workspace.settings.located_media) as source:
        workspace.reader.expect_records(something=True)
        wanted = (record for record in workspace.reader.iris() if record not in held)
        for subject in prefetch(workspace.reader.read_all(wanted), source):
            for picture in subject.record.pictures:
                data = None if picture.path is None else picture.path.read_bytes()
                yield picture.url, data or picture.failure or "there is no file"
