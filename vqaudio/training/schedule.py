"""Learning rate over steps: warm up, hold, decay."""


def trapezoid(step: int, total: int, warmup: int, decay: int) -> float:
    """Factor in [0, 1]: up in a line over `warmup` steps, 1, down in a line over the last `decay`.

    A plateau rather than a cosine (Hägele et al. 2024): a run can be made longer without having
    planned it, and every decay from the plateau gives weights as good as a full schedule.
    """
    rise = (step + 1) / warmup if warmup else 1.0
    fall = (total - step) / decay if decay else 1.0
    return max(0.0, min(1.0, rise, fall))
