"""Learning-rate schedules, as functions of the share of the data budget that is spent."""


def warmup_flat_decay(
    progress: float, *, warmup: float = 0.0, flat_until: float = 0.5, final: float = 0.02
) -> float:
    """Factor by which to multiply the learning rate.

    Rises linearly from 0 to 1 over ``warmup``, stays at 1 until ``flat_until``, and falls linearly
    to ``final`` at the end.

    Args:
        progress: share of the budget spent, 0 at the start and 1 at the end; what is above 1, as
            after a last batch that passes the budget, counts as 1.
        warmup: share of the budget over which the rate rises.
        flat_until: share of the budget at which it starts to fall.
        final: factor at the end, from 0 to 1.

    Raises:
        ValueError: if ``progress`` is negative or no number, or another value is out of its range.
    """
    if not 0 <= warmup <= flat_until <= 1:
        raise ValueError(f"need 0 <= warmup <= flat_until <= 1, got {warmup} and {flat_until}")
    if not 0 <= final <= 1:
        raise ValueError(f"final must be from 0 to 1, got {final}")
    if not progress >= 0:
        raise ValueError(f"progress must be a share of the budget, at least 0, got {progress}")
    progress = min(progress, 1.0)
    if progress < warmup:
        return progress / warmup
    if progress <= flat_until:
        return 1.0
    remaining = (1 - progress) / (1 - flat_until)
    return final + (1 - final) * remaining
