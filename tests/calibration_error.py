"""The expected calibration error, written out pair by pair."""


def calibration_error(confidence, right):
    """Return equation 3 of Guo et al. 2017 over 15 bins."""
    pairs = list(zip(confidence, right, strict=True))
    bins = [[pair for pair in pairs if place / 15 < pair[0] <= (place + 1) / 15] for place in range(15)]
    return sum(abs(sum(there - chance for chance, there in own)) for own in bins) / len(pairs)
