"""Stand-in: the history of shared documents, kept out of the home folder."""
from ypy_websocket import ystore


class TmpYStore(ystore.SQLiteYStore):
    """An SQLite store whose database is local to the server."""

    db_path = "/tmp/ystore.db"
