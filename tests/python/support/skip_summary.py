"""One line about the tests that were skipped: what they need, and how to get it."""

from collections import Counter

# Each entry: what a test needs, words of the reasons that mean it, in small letters, and the advice
# that helps.
_NEEDS = (
    ("PyTorch", ("torch is not installed", "needs pytorch", "needs torch"), "pip install torch"),
    ("JAX", ("jax is not installed",), "pip install jax"),
    ("CuPy", ("cupy is not installed",), "pip install cupy-cuda13x"),
    ("transformers", ("transformers is not installed",), "pip install transformers"),
    ("two GPUs", ("fewer than two cuda devices", "two are needed"), "a machine with two"),
    ("AMX", ("amx refuses",), "a Xeon since Sapphire Rapids, Linux 5.16 or later"),
    ("another GPU", ("refuses this device", "needs another gpu"), "one that its backend is for"),
    ("a GPU", ("gpu", "cuda", "hopper"), "pip install '.[cuda]' on a GPU machine"),
    ("matplotlib", ("matplotlib",), "pip install matplotlib"),
    ("time", ("-m soak runs it",), "-m soak"),
)
_OTHER = "something else"


def need_of(reason):
    """Returns what a test that was skipped for this reason needs."""
    for need, words, _ in _NEEDS:
        if any(word in reason.lower() for word in words):
            return need
    return _OTHER


def summary(reasons):
    """Returns the line about these reasons of skipped tests, or None without any."""
    counts = Counter(map(need_of, reasons))
    if not counts:
        return None
    advice = {need: words for need, _, words in _NEEDS}
    parts = [
        f"{count} need {need}" + (f" ({advice[need]})" if need in advice else "")
        for need, count in counts.most_common()
    ]
    start = "CPU only" if counts["a GPU"] else "skipped"
    return f"{start}: {', '.join(parts).replace(' need', ' tests need', 1)}; -rs shows every reason"
