"""A directory in a folder of YAML and JSON files that people edit, review and keep in git."""

from iam_guard.store.folder_directory.store import FolderDirectoryStore

__all__ = ["FolderDirectoryStore"]
