"""The goals for the speed, and the comparison of the measured values with them."""

from collections.abc import Callable
from dataclasses import dataclass

#: All parts of the report: maps their names to their stored results.
Report = dict[str, dict]


@dataclass(frozen=True)
class Goal:
    """A goal for one measured value.

    Attributes:
        text: what is measured.
        value: the goal.
        part: name of the part of the report that contains the value.
        pick: returns whether a row of this part contains the value.
        reason: why the goal is missed. It is printed only if the goal is missed.
        key: key of the value in its row.
        at_most: whether the value must be at most the goal; if False, it must be at least the goal.
    """

    text: str
    value: float
    part: str
    pick: Callable[[dict], bool]
    reason: str
    key: str = 'ratio'
    at_most: bool = False

    def row(self, report: Report) -> dict | None:
        """Return the row with the measured value; None if it has not been measured."""
        return next((row for row in report.get(self.part, {}).get('rows', []) if self.pick(row)), None)

    def cells(self, report: Report) -> list[str]:
        """Return the goal, the measured value with its interval, and whether the goal is met, for a table."""
        sign = '≤' if self.at_most else '≥'
        row = self.row(report)
        if row is None:
            return [self.text, f'{sign} {self.value:g}', 'not measured', '']
        found = row[self.key]
        interval = f' ({row["low"]:.2f} to {row["high"]:.2f})' if self.key == 'ratio' and 'low' in row else ''
        met = found <= self.value if self.at_most else found >= self.value
        return [
            self.text,
            f'{sign} {self.value:g}',
            f'{found:.2f}{interval}',
            'met' if met else f'missed: {self.reason}',
        ]


def case(**values: object) -> Callable[[dict], bool]:
    """Return a function that is true for rows with these values."""
    return lambda row: all(row.get(key) == value for key, value in values.items())


BF16_PEAK = (
    'a network can gain at most about the quotient of the two convolution peaks in the table of limits, because most '
    'of its time is convolutions'
)
MAFNET = (
    'about half of the time is attention with 16 values for each head ([performance](performance.md)). A variant that '
    'summed over anchor cells was taken out again, because the counted multiply-adds changed'
)
JDNET = 'the gain comes from the attention only; a compiled kernel for its loop was tried, but is not finished'
TRAINING = 'the training step was not changed'
MEMORY = 'the memory was not changed'
TILES = 'a tile also computes its halo; larger tiles cost less'

GOALS = [
    *(
        Goal(f'{name} {precision}: times as fast as the commit', goal, f'baseline-{key}', where, reason)
        for key, name, precision, goal, reason in (
            ('mafnet', 'MAFNet', 'fp32', 1.35, MAFNET),
            ('mafnet', 'MAFNet', 'bf16', 1.5, MAFNET),
            ('jdnet', 'JDNet', 'fp32', 1.4, JDNET),
            ('jdnet', 'JDNet', 'bf16', 2.0, JDNET),
        )
        for where in [case(precision=precision)]
    ),
    Goal('SIAN bf16: times as fast as fp32', 2.0, 'precision', case(network='sian'), BF16_PEAK),
    Goal('NASNet bf16: times as fast as fp32', 3.0, 'precision', case(network='nasnet'), BF16_PEAK),
    Goal(
        'SIAN fp32: times as fast as PReNet',
        1.0,
        'prenet',
        case(network='sian'),
        'see the multiply-adds for each pixel in the table of comparisons',
    ),
    *(
        Goal(f'{name}: KB of tensors for each pixel', goal, 'memory', case(network=key), reason, 'tensors', True)
        for key, name, goal, reason in (
            ('sian', 'SIAN', 1.5, MEMORY),
            ('jdnet', 'JDNet', 4.5, MEMORY),
            ('nasnet', 'NASNet', 1.4, MEMORY),
            ('mafnet', 'MAFNet', 1.5, MEMORY),
        )
    ),
    Goal(
        'SIAN compact, bf16, a training step of 8 x 96x96: times as fast as the commit',
        1.5,
        'training-sian',
        case(precision='bf16'),
        TRAINING,
    ),
    Goal(
        'JDNet, fp32, a training step of 2 x 64x64: times as fast as the commit',
        1.5,
        'training-jdnet',
        case(precision='fp32'),
        TRAINING,
    ),
    *(
        Goal(
            f'{name}: time with tiles of 256 pixels, divided by the time of the whole image of 512x512',
            1.12,
            f'growth-{key}',
            case(of='tile', tile=256),
            TILES,
            at_most=True,
        )
        for key, name in (('sian', 'SIAN'), ('jdnet', 'JDNet'), ('nasnet', 'NASNet'), ('mafnet', 'MAFNet'))
    ),
]
