"""The tone of a text, by counting words that judge."""

import re

GOOD = {"beautiful", "best", "excellent", "fast", "good", "great", "happy", "helpful", "love", "reliable", "wonderful"}
BAD = {"awful", "bad", "broken", "failed", "hate", "lost", "poor", "sad", "slow", "terrible", "ugly", "worst", "wrong"}


def tone_of(text: str, threshold: float) -> str:
    """`positive`, `negative`, or `neutral` where the balance, between -1 and 1, stays below `threshold`."""
    words = re.findall(r"[a-z]+", text.lower())
    good, bad = sum(word in GOOD for word in words), sum(word in BAD for word in words)
    if good == bad:
        return "neutral"
    balance = (good - bad) / (good + bad)
    if abs(balance) < threshold:
        return "neutral"
    return "positive" if balance > 0 else "negative"
