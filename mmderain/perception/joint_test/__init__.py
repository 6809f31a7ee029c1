"""Measure how rain and derainers change the accuracy of a detector or segmentor.

:func:`conditions` lists the rows of the table, :func:`evaluate` runs them, and :func:`write_report` writes the results.
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
