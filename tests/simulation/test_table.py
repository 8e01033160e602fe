"""The simulated table behaves as MREC does: it is late, and the last writer by its own clock wins."""

from collections.abc import Callable

from chalicelib.core.leases import LeasePhase, Observation, RegionHeartbeat
from simulation.run.table import Key, Replica, Table
from tests.contract.items import JOB, lease

WEST, EAST = "us-gov-west-1", "us-gov-east-1"


class Mail:
    """Holds the writes that replication has under way."""

    def __init__(self) -> None:
        self.under_way: list[Callable[[], None]] = []

    def arrive(self) -> None:
        under_way, self.under_way = self.under_way, []
        for act in under_way:
            act()


def table(mail: Mail, west_ms: int = 0, east_ms: int = 0) -> tuple[Table, list[tuple[Key, str, str]]]:
    writes: list[tuple[Key, str, str]] = []
    replicas = {WEST: Replica(WEST, lambda: west_ms), EAST: Replica(EAST, lambda: east_ms)}
    return Table(replicas, mail.under_way.append, lambda *write: writes.append(write)), writes


def test_a_write_is_there_at_once_and_elsewhere_later() -> None:
    mail = Mail()
    replicated, _ = table(mail)
    replicated.write(WEST, "put_lease", (lease(JOB),))
    west, east = (replicated.replicas[region].ledger for region in (WEST, EAST))
    assert (len(west.get_leases(JOB, "r-000001")), len(east.get_leases(JOB, "r-000001"))) == (1, 0)
    mail.arrive()
    assert east.get_leases(JOB, "r-000001") == west.get_leases(JOB, "r-000001")


def test_a_stall_holds_writes_back_and_its_end_lets_them_go() -> None:
    mail = Mail()
    replicated, _ = table(mail)
    replicated.stalled.add(WEST)
    replicated.write(WEST, "put_region_heartbeat", (RegionHeartbeat(WEST, 1, 1),))
    replicated.write(EAST, "put_region_heartbeat", (RegionHeartbeat(EAST, 1, 1),))
    mail.arrive()
    assert [b.region for b in replicated.replicas[EAST].ledger.region_heartbeats()] == [EAST]
    assert [b.region for b in replicated.replicas[WEST].ledger.region_heartbeats()] == [WEST]
    replicated.release(WEST)
    assert (
        len(replicated.replicas[EAST].ledger.region_heartbeats())
        == len(replicated.replicas[WEST].ledger.region_heartbeats())
        == 2
    )


def test_the_last_writer_by_its_own_clock_wins() -> None:
    """East's clock is behind, so its later write loses, silently. This is why no item has two writers."""
    mail = Mail()
    replicated, writes = table(mail, west_ms=100, east_ms=50)
    replicated.write(WEST, "put_observation", (Observation(JOB, "s", WEST, "west", 1),))
    replicated.write(EAST, "put_observation", (Observation(JOB, "s", WEST, "east", 2),))
    mail.arrive()
    for replica in replicated.replicas.values():
        observation = replica.ledger.get_observation(JOB, "s", WEST)
        assert observation is not None
        assert observation.fingerprint == "west"
    assert [(region, subject_region) for _, region, subject_region in writes] == [(WEST, WEST), (EAST, WEST)]


def test_what_the_table_refuses_is_not_replicated() -> None:
    mail = Mail()
    replicated, _ = table(mail)
    done_lease = lease(JOB, epoch=0, heartbeat=0, phase=LeasePhase.DONE)
    replicated.write(WEST, "put_lease", (done_lease,))
    replicated.write(WEST, "put_lease", (lease(JOB, epoch=1, heartbeat=9),))
    mail.arrive()
    assert replicated.replicas[EAST].ledger.get_leases(JOB, "r-000001") == [done_lease]
