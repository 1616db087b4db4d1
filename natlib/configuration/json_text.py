"""JSON of settings whose names need not be UTF-8."""

import json

from pydantic import BaseModel

__all__ = ["json_text"]


def json_text(values: BaseModel, indent: int | None = None) -> str:
    r"""JSON in ASCII, which ``json`` reads back.

    Paths and names of classes may hold bytes that are not UTF-8: Linux allows them, Python stands a
    surrogate for each (PEP 383), pydantic's own JSON refuses those, and here they are ``\udcff``.
    """
    return json.dumps(values.model_dump(mode="json"), indent=indent)
