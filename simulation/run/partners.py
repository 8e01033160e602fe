"""Play the people at a feed's ends: partners who upload, a receiver who takes files away, an owner who registers and
removes it."""

from urllib.parse import quote_plus

from chalicelib.core.entries import ANY, EntryKind
from chalicelib.core.errors import Unknown
from chalicelib.core.rows import OverwriteMode
from chalicelib.ports import Env
from chalicelib.protocol.submitting import Location
from chalicelib.steps import feeds
from simulation.memory.env import SOURCE, TARGET, TENANT, WEST
from simulation.run.contents import Contents, repeated
from simulation.run.customers import OWNER, Customers
from simulation.run.situations import Situation
from simulation.run.story import HOUR, Act, Event
from simulation.run.world import FEED_TARGET, World

NAME = "inbox"
"""Name of the feed that is registered while events arrive. It delivers objects below `in/g/`, as the declared feed
delivers those below `in/f/`."""
_WANTED = feeds.WantedFeed(
    Location(SOURCE[WEST].name, "g/"), Location(TARGET[FEED_TARGET].name, "g/"), OverwriteMode.IF_CHANGED, {}
)
_KEY = (EntryKind.FEED, TENANT, NAME)


class Partners:
    def __init__(self, world: World, customers: Customers, contents: Contents) -> None:
        self._world, self._customers, self._contents = world, customers, contents
        self._made: dict[str, int] = {}
        """Ids of registered feeds -> the number of the store's last write when their owner got the answer."""
        self._dropped: dict[str, int] = {}
        """Keys below the registered feed's source -> number of the last drop."""
        world.inbox.is_due = self._is_due
        world.event_read = self._event_read
        if world.scenario.receiver_ms:
            world.inbox.receives = True
            world.scheduler.at(world.scenario.receiver_ms, self._receive)

    def act(self, event: Event) -> bool:
        """Carry out an event. Return False if it is not one of a partner, receiver or owner."""
        key = event.subject
        match event.act:
            case Act.DROP:
                self._drop(key)
            case Act.DROP_ARCHIVED:
                self._world.store.put(SOURCE[WEST], f"in/{key}", self._contents.new(20), storage_class="GLACIER")
                self._announce(key)
            case Act.DROP_UPLOAD:
                self._drop_upload(key)
            case Act.REGISTER_FEED:
                self._customers.ask("register-feed", event.region, self._register)
            case Act.REMOVE_FEED:
                self._customers.ask("remove-feed", event.region, self._remove)
            case _:
                return False
        return True

    def _announce(self, key: str) -> None:
        self._world.announce(SOURCE[WEST], f"in/{key}", "intake", forwarded=self._world.scenario.forwards)

    # --- uploads ----------------------------------------------------------------------------------------------

    def _drop(self, key: str) -> None:
        world, name = self._world, f"in/{key}"
        version = world.store.put(SOURCE[WEST], name, self._contents.dropped())
        if situation := repeated(world.store, name, versioned=world.scenario.versioned_sources):
            world.happened[situation] += 1
        world.inbox.dropped(name, version)
        if key.startswith("g/"):
            self._dropped[name] = version.sequence
        self._announce(key)

    def _drop_upload(self, key: str) -> None:
        """Drop a multipart upload that was begun hours ago. No other drop uses this key, because S3 takes the version
        that was begun later for the newer one."""
        world, name = self._world, f"in/{key}"
        ago_ms = world.random.choice((2, 5, 30)) * HOUR
        version = world.store.put(SOURCE[WEST], name, self._contents.new(60), part_sizes=(30, 30), begun_ms_ago=ago_ms)
        world.happened[Situation.UPLOAD_OLDER_THAN_ITS_EVENT] += 1
        world.happened[Situation.UPLOAD_WHOSE_EVENT_WAITS] += world.stacks[WEST].asleep
        world.inbox.dropped(name, version)
        self._announce(key)

    def _event_read(self, region: str, body: str) -> None:
        """Count situations of an event when it is read in a Region."""
        world = self._world
        live = {r for r, registry in world.registries.items() if (e := registry.entries.get(_KEY)) and not e.removed}
        for key in world.inbox.files:
            if key in body or quote_plus(key) in body:
                world.inbox.told(key)
                world.happened[Situation.EVENT_BEFORE_ITS_FEED] += (
                    key in self._dropped and bool(live) and region not in live
                )

    # --- the receiver -----------------------------------------------------------------------------------------

    def _receive(self) -> None:
        """Take away most of the files that are there."""
        world = self._world
        for key in world.store.keys(TARGET[FEED_TARGET]):
            if key.startswith("out/f/") and world.random.random() < 0.8:
                world.trace.event(f"the receiver takes {key}")
                world.inbox.take(f"in/{key.removeprefix('out/')}")
        if world.sweeping:
            world.scheduler.at(world.scheduler.now_ms + world.scenario.receiver_ms, self._receive)

    def agreed(self) -> bool:
        """Return whether all living Regions know the same about the registered feed."""
        return len({self._world.registries[region].entries.get(_KEY) for region in self._world.awake}) <= 1

    # --- the owner --------------------------------------------------------------------------------------------

    def _register(self, env: Env) -> None:
        view, created = feeds.put_feed(env, OWNER, NAME, _WANTED, ANY)
        self._made.setdefault(view.feed.id, self._world.store.writes)
        self._world.happened[Situation.FEED_REGISTERED] += created

    def _remove(self, env: Env) -> None:
        try:
            feeds.remove_feed(env, OWNER, NAME, ANY)
        except Unknown:
            # It was removed before, and the answer was lost; or this Region doesn't know it yet, and then it stays.
            self._world.trace.event("there is no such feed")
            return
        self._world.happened[Situation.FEED_REMOVED] += 1

    def _is_due(self, key: str) -> bool:
        """Return whether the object under a key must be delivered. If it was dropped after its feed's owner had been
        told that the feed exists, it must be, as long as the feed exists in each living Region."""
        if not key.startswith("in/g/"):
            return True
        entries = [self._world.registries[region].entries.get(_KEY) for region in self._world.awake]
        return all(
            entry is not None and not entry.removed and self._made_before(entry.body, self._dropped[key])
            for entry in entries
        )

    def _made_before(self, body: str, drop: int) -> bool:
        return any(f'"{feed}"' in body and write_number < drop for feed, write_number in self._made.items())
