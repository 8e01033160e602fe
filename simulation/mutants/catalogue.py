"""List the planted bugs. Each is a mistake that the design, an emulator or an earlier draft of the protocol has
made."""

from simulation.mutants.coordination import COORDINATION
from simulation.mutants.deletions import DELETIONS
from simulation.mutants.feeds import FEEDS
from simulation.mutants.hanging import HANGING
from simulation.mutants.inputs import INPUTS
from simulation.mutants.paging import PAGING
from simulation.mutants.publishing import PUBLISHING
from simulation.mutants.s3 import S3
from simulation.mutants.schedules import SCHEDULES
from simulation.mutants.stuck import STUCK
from simulation.mutants.tables import TABLES
from simulation.mutants.uploads import UPLOADS

MUTANTS = (
    *PUBLISHING,
    *UPLOADS,
    *COORDINATION,
    *INPUTS,
    *DELETIONS,
    *SCHEDULES,
    *S3,
    *TABLES,
    *PAGING,
    *FEEDS,
    *HANGING,
    *STUCK,
)
