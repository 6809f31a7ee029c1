"""Measure how rain and derainers change the accuracy of a detector or segmentor.

A joint test has several conditions, for example rainy images or derained images. :func:`conditions` lists them, and
:func:`evaluate` runs them. :func:`write_report` writes a table that has one row for each condition.
"""

from .cache import evaluate
from .conditions import Condition, Result, TaskModel, conditions
from .recording import RecordingEvaluator, RecordingHook
from .report import write_report
from .runner import run_condition
from .steps import MeasuredSteps, MedianBlur, ReplaceFromFolder
from .table import align_table, make_table, markdown_table, recovery

__all__ = [
    'Condition',
    'MeasuredSteps',
    'MedianBlur',
    'RecordingEvaluator',
    'RecordingHook',
    'ReplaceFromFolder',
    'Result',
    'TaskModel',
    'align_table',
    'conditions',
    'evaluate',
    'make_table',
    'markdown_table',
    'recovery',
    'run_condition',
    'write_report',
]
