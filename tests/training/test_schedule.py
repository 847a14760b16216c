from vqaudio.training.schedule import trapezoid


def test_up_flat_down():
    rates = [trapezoid(n, total=100, warmup=10, decay=20) for n in range(100)]
    assert rates[0] == 0.1
    assert rates[9:81] == [1.0] * 72
    assert rates[99] == 0.05
    assert rates[80:] == sorted(rates[80:], reverse=True)


def test_longer_run_has_the_same_start():
    short = [trapezoid(n, total=100, warmup=10, decay=20) for n in range(80)]
    assert short == [trapezoid(n, total=500, warmup=10, decay=20) for n in range(80)]
