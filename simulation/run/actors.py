"""Play everybody outside the product: customers (`customers`), partners who upload (`partners`), others who write at
the destination, and an operator."""

from functools import partial

from chalicelib.core.objects import Properties
from chalicelib.steps import control, feeds
from simulation.memory.env import CONTROL
from simulation.memory.operations import Action
from simulation.run import timetable
from simulation.run.contents import Contents, repeated, shows_older
from simulation.run.customers import OWNER, POLL_EVERY_MS, Customers, list_location
from simulation.run.inputs import manifest_body
from simulation.run.partners import Partners
from simulation.run.situations import Situation
from simulation.run.story import REGIONS, Act, Event, Item
from simulation.run.world import FEED, World


class Actors:
    def __init__(self, world: World) -> None:
        self.world, self.scenario = world, world.scenario
        self.customers = Customers(world)
        self.truth, self.source, self.target = self.customers.truth, self.customers.source, self.customers.target
        self.contents = Contents(world.store, world.random, self.scenario.contents)
        self.placed = {f"in/{item.key}": item for item in reversed(self.scenario.items) if not item.target}
        """The items at the source, by source key."""
        self.partners = Partners(world, self.customers, self.contents)

    def set_up(self) -> None:
        for region, bucket in [(region, bucket) for region in REGIONS for bucket in CONTROL.values()]:
            self.world.store.put(bucket, f"heartbeat/{region}", b"0")  # Both Regions have lived before.
        for item in self.scenario.items:
            self._location(item)
        for number, job in enumerate(self.scenario.jobs):
            if job.input.manifest:
                body = manifest_body(self.source.name, f"in/{job.source}", job.input.manifest)
                self.world.store.put(self.source, f"in/{list_location(number).key}", body)
        if self.scenario.timetable is not None:
            timetable.set_up(self.world, self.scenario.timetable)
        for event in self.scenario.events:
            self.world.scheduler.at(event.at_ms, partial(self._act, event))
        for number in range(len(self.scenario.jobs)):
            self.world.scheduler.at(POLL_EVERY_MS, partial(self.customers.poll, number))

    def _location(self, item: Item) -> None:
        store, truth = self.world.store, self.truth
        if item.target:
            body = truth.bodies[f"in/{item.key}"] if item.same or item.older else self.contents.new(item.size)
            truth.at_target[f"out/{item.key}"] = body
            store.put(self.target, f"out/{item.key}", body)
            if item.older:
                self._put_source(self.placed[f"in/{item.key}"])
                self.world.happened[Situation.TARGET_EQUALS_OLDER] += shows_older(store, f"in/{item.key}", body)
            return
        self._put_source(item)
        if item.denied:
            store.deny(self.source, Action.READ, key=f"in/{item.key}")

    def _put_source(self, item: Item) -> None:
        body = self.truth.bodies[f"in/{item.key}"] = self.contents.new(item.size)
        self.world.store.put(
            self.source,
            f"in/{item.key}",
            body,
            part_sizes=item.part_sizes,
            algorithm="CRC64NVME" if item.checksum else None,
            tags=dict(item.tags),
            properties=Properties(content_type="text/plain", metadata={"number": str(self.contents.made)}),
            storage_class="GLACIER" if item.archived else "STANDARD",
        )

    # --- events -----------------------------------------------------------------------------------------------

    def _act(self, event: Event) -> None:
        self.world.trace.event(f"{event.act} {event.subject} {event.region}")
        for act in (self._break_or_mend, self._ask, self.partners.act):
            if act(event):
                return
        self._meddle(event.act, event.subject)

    def _break_or_mend(self, event: Event) -> bool:
        """Break or mend a Region or a dependency. Return False if this is another event."""
        world, subject = self.world, event.subject
        match event.act:
            case Act.KILL_REGION:
                world.kill(subject)
            case Act.FREEZE_REGION:
                world.freeze(subject)
            case Act.RETURN_REGION | Act.THAW_REGION:
                world.resume(subject)
            case Act.CUT_STORAGE:
                world.calls.down.add(f"storage {subject}")
            case Act.JOIN_STORAGE:
                world.calls.down.discard(f"storage {subject}")
            case Act.HANG:
                world.calls.hanging.add(subject)
            case Act.UNHANG:
                world.calls.hanging.discard(subject)
            case Act.DIE_ALONE:
                world.promises.died(subject)
            case Act.CUT_TABLE:
                world.calls.down.add(f"table {subject}")
            case Act.JOIN_TABLE:
                world.calls.down.discard(f"table {subject}")
            case Act.STALL_REPLICATION:
                world.table.stalled.add(subject)
            case Act.RELEASE_REPLICATION:
                world.table.release(subject)
            case _:
                return False
        return True

    def _ask(self, event: Event) -> bool:
        """Let a customer or an operator do something. Return False if this is another event."""
        world, subject = self.world, event.subject
        match event.act:
            case Act.SUBMIT:
                self.customers.submit(int(subject), event.region)
            case Act.CANCEL:
                self.customers.change(int(subject), event.region, control.cancel)
            case Act.APPROVE:
                self.customers.approve(int(subject), event.region)
            case Act.PAUSE:
                self.customers.change(int(subject), event.region, control.pause)
            case Act.RESUME:
                self.customers.change(int(subject), event.region, control.resume)
            case Act.CHANGE_SCHEDULE:
                timetable.change(world, subject)
            case Act.CHANGE_MANIFEST:
                self.truth.relisted.add(int(subject))
                world.store.put(self.source, f"in/{list_location(int(subject)).key}", b"source-west,in/f/other\n")
            case Act.PAUSE_FEED:
                self.customers.ask("pause-feed", event.region, lambda env: feeds.pause_feed(env, OWNER, FEED))
            case Act.RESUME_FEED:
                self.customers.ask("resume-feed", event.region, lambda env: feeds.resume_feed(env, OWNER, FEED))
            case Act.BACKFILL_FEED:
                self.customers.ask(
                    "backfill-feed", event.region, lambda env: feeds.request_backfill(env, OWNER, FEED, 0, subject)
                )
            case Act.OPERATE:
                self.customers.ask("operator", event.region, self.customers.operate)
            case _:
                return False
        return True

    def _meddle(self, act: Act, key: str) -> None:
        store, truth = self.world.store, self.truth
        truth.touched.add(key)
        match act:
            case Act.PUT_SOURCE:
                store.put(self.source, f"in/{key}", self.contents.overwriting(f"in/{key}", 33))
                if situation := repeated(store, f"in/{key}", versioned=self.scenario.versioned_sources):
                    self.world.happened[situation] += 1
            case Act.DELETE_SOURCE:
                store.remove(self.source, f"in/{key}")
            case Act.PUT_TARGET:
                body = self.contents.overwriting(f"in/{key}", 9)
                store.put(self.target, f"out/{key}", body)
                self.world.happened[Situation.TARGET_EQUALS_OLDER] += shows_older(store, f"in/{key}", body)
                self.world.monitors.interfered(self.target, f"out/{key}")
            case Act.DELETE_TARGET:
                store.remove(self.target, f"out/{key}")
                self.world.monitors.interfered(self.target, f"out/{key}")
            case Act.BEGIN_FOREIGN_UPLOAD:
                store.open_upload(self.target, f"out/{key}")
            case _:
                raise ValueError(act)
