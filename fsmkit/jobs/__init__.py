"""Jobs: slow, scheduled and endless work of an application, started and ended with it. Only names.

What a state does while a conversation stands in it is `flow.state(..., job=...)`; what runs beside all
conversations is here.
"""

from fsmkit.jobs.job import Gate, Job
from fsmkit.jobs.runner import JobRunner
from fsmkit.jobs.running import JobRun

__all__ = ["Gate", "Job", "JobRun", "JobRunner"]
