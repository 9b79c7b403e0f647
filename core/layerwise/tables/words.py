"""Hashing of the words of a text. The function stands alone, as those in `cells` do."""

import math
import re
import zlib

WORD = re.compile(r"\w+")


def hashed_words(text: str, buckets: int) -> dict[int, float]:
    """Return the share of each bucket that a word, or a letter trigram of one, of `text` falls into.

    The squares of the shares add up to 1; a text without words has none.
    """
    counts: dict[int, float] = {}
    for word in WORD.findall(text.casefold()):
        padded = f" {word} "
        for token in (word, *(padded[i : i + 3] for i in range(len(padded) - 2))):
            bucket = zlib.crc32(token.encode()) % buckets
            counts[bucket] = counts.get(bucket, 0) + 1
    length = math.sqrt(sum(count * count for count in counts.values()))
    return {bucket: count / length for bucket, count in counts.items()}
