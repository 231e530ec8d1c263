"""Computes normal-tail.json, the vectors that hold the suspicion levels to 12 digits.

Nothing here is shared with the library: mpmath evaluates the complementary error function at 250 digits, which leaves
more than 100 good ones even at z = -20, where the level is 1 - 10^-89 taken through a logarithm.
Every input is an exact double, written so that JSON gives the same double back.

    python3 generate_normal_tail.py > normal-tail.json
"""

import random
import sys

from mpmath import erfc, log, log10, mp, mpf, nstr, sqrt

mp.dps = 250
random.seed(2702003)


def tail(z):
    """P(Z > z) of the standard normal distribution."""
    return erfc(z / sqrt(mpf(2))) / 2


def level(z):
    return -log10(tail(mpf(z)))


def written(rows):
    return "[\n    " + ",\n    ".join("[" + ", ".join(row) + "]" for row in rows) + "\n  ]"


def digits(value):
    return nstr(value, 25, min_fixed=-5, max_fixed=20)


points = {float(k) / 4 for k in range(-80, 161)}
# Where the implementation changes formula: |z| / sqrt(2) = 0.46875 and 4.
points |= {s * (c + d) for c in (0.6629126073623882, 5.656854249492381) for d in (-1e-9, 0.0, 1e-9) for s in (-1, 1)}
points |= {1e-300, -1e-300, 1e-9, -1e-9, 38.4, 38.6, 1e2, 1e3, 1e4, 1e5, 1e6}
points |= {random.uniform(-20, 0) for _ in range(100)}
points |= {random.uniform(0, 40) for _ in range(100)}
points |= {10 ** random.uniform(1.5, 6) for _ in range(100)}

lognormal = []
exponential = []
for _ in range(60):
    location, scale = random.uniform(0, 9), random.uniform(0.05, 1.5)
    silence = float(mp.exp(mpf(location) + mpf(scale) * mpf(random.uniform(-6, 20))))
    z = (log(mpf(silence)) - mpf(location)) / mpf(scale)
    lognormal.append([repr(silence), repr(location), repr(scale), digits(level(z))])
    mean = 10 ** random.uniform(-1, 5)
    silence = mean * 10 ** random.uniform(-3, 3)
    exponential.append([repr(silence), repr(mean), digits(mpf(silence) / mpf(mean) / log(mpf(10)))])

sys.stdout.write(
    "{\n"
    '  "normal": ' + written([[repr(z), digits(level(z))] for z in sorted(points)]) + ",\n"
    '  "lognormal": ' + written(lognormal) + ",\n"
    '  "exponential": ' + written(exponential) + "\n}\n"
)
