"""Is my run working?"""

from natlib.diagnosis.health import (
    effective_rank,
    embedding_health,
    random_cell_line,
    random_matching_line,
)

__all__ = ["effective_rank", "embedding_health", "random_cell_line", "random_matching_line"]
