"""The logger of natlib, whose messages take one line each."""

import logging

from natlib.escaping import escaped

__all__ = ["logger"]


class _OneLine(logging.Filter):
    """Write out what a terminal would obey: logs are looked at with ``cat`` and ``tail``."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = escaped(record.getMessage()), None
        return True


logger = logging.getLogger("natlib")
"""Where every part of natlib logs; what it reports may name files, keys and classes."""
logger.addFilter(_OneLine())
