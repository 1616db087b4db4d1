"""Deal all slots of a data set out again, with features that are on disk."""

from natlib.refreshing.dealing import Allowed
from natlib.refreshing.refresh import Refreshed, refresh

__all__ = ["Allowed", "Refreshed", "refresh"]
