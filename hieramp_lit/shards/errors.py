"""The one error of the shard format."""


class ShardError(ValueError):
    """A shard set is damaged, unfinished, or not the one that was asked for; the message names file and remedy."""
