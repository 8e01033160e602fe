"""The planted bugs. Each is a mistake that the design, an emulator or an earlier draft of the protocol has made."""

from dataclasses import dataclass

from simulation.mutants.plant import Edit

_PUBLISH = "chalicelib.protocol.publish"
_MULTIPART = "chalicelib.protocol.multipart"
_LEASE = "chalicelib.protocol.lease"
_RECORDS = "chalicelib.protocol.records"
_SETTLING = "chalicelib.protocol.settling"
_SWEEP = "chalicelib.steps.sweep"
_COPY = "chalicelib.steps.copy"
_VERIFY = "chalicelib.steps.verify"
_SPLIT = "chalicelib.steps.split"
_CONTROL = "chalicelib.steps.control"
_INTAKE = "chalicelib.steps.intake"
_REGISTERS = "chalicelib.core.registers"
_STORE = "simulation.memory.store"
_STATE = "simulation.memory.state"


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    what: str
    edits: tuple[Edit, ...]


MUTANTS = (
    Mutant(
        "blind-copy",
        "CopyObject without a condition on the destination (as emulators have it)",
        (Edit(_STORE, "original = self._source(source)\n            store.expect(key, expect)", "original = self._source(source)"),),
    ),
    Mutant(
        "blind-complete",
        "CompleteMultipartUpload without a condition on the destination",
        (Edit(_STORE, "            store.expect(opened.key, expect)\n", ""),),
    ),
    Mutant(
        "fresh-head",
        "the destination's precondition is taken from a fresh HEAD instead of the manifest",
        (
            Edit(
                _PUBLISH,
                "        try:\n            written = self.env.store.copy(\n                self.route.source_ref(row), target, row.target, row.expect,",
                "        fresh = self.env.store.head(target, row.target)\n        try:\n            written = self.env.store.copy(\n"
                "                self.route.source_ref(row), target, row.target, fresh.facts.etag if fresh else None,",
            ),
        ),
    ),
    Mutant(
        "no-source-pin",
        "copies take whatever the source is now (no CopySourceIfMatch)",
        (
            Edit(
                _STATE,
                '        if found.etag != source.etag:\n            raise PreconditionFailed("PreconditionFailed", f"{source.key} has another ETag (CopySourceIfMatch)")\n',
                "",
            ),
        ),
    ),
    Mutant(
        "abort-by-age",
        "the sweep aborts an upload because it is old",
        (Edit(_SWEEP, "    verdict = _judge(control, info, generations)\n    if verdict is Stale.FENCE", "    verdict = Stale.ABORT\n    if verdict is Stale.FENCE"),),
    ),
    Mutant(
        "unfenced-collection",
        "an unregistered upload is aborted without a TOMB in its generation",
        (Edit(_SWEEP, "    if verdict is Stale.FENCE:\n", "    if verdict is Stale.FENCE:\n        verdict = Stale.ABORT\n    if verdict is Stale.FENCE:\n"),),
    ),
    Mutant(
        "tomb-supersedes",
        "a TOMB supersedes the upload registered before it",
        (
            Edit(
                _REGISTERS,
                "        upload_id=max(mine, key=lambda item: item[0])[1].upload_id if mine else None,",
                "        upload_id=max(mine, key=lambda item: item[0])[1].upload_id\n"
                "        if mine and generations[max(generations)].mark is not Mark.TOMB\n        else None,",
            ),
        ),
    ),
    Mutant(
        "two-lists",
        "the next generation is read by a second LIST, after the upload was created",
        (
            Edit(
                _MULTIPART,
                "        # Crash here: an upload that no record names. The sweep fences it with a TOMB",
                "        generation = max(self.publisher.control.register(self._register_id), default=0) + 1\n"
                "        # Crash here: an upload that no record names. The sweep fences it with a TOMB",
            ),
        ),
    ),
    Mutant(
        "no-second-look",
        "after NoSuchUpload a new upload is begun without a look at the destination",
        (Edit(_MULTIPART, "if register.upload_id is not None and (decided := self.publisher.look(self.row)) is not None:", "if False:"),),
    ),
    Mutant(
        "spent-upload",
        "409 at Complete: the upload is not marked dead, and everybody goes on with it",
        (
            Edit(
                _MULTIPART,
                "            publisher.control.registered(self._register_id, following.next_generation, dead)\n            publisher.env.store.abort(upload)\n",
                "",
            ),
        ),
    ),
    Mutant(
        "any-upload",
        "an upload that another job has registered for the same key is adopted",
        (Edit(_REGISTERS, "        if r.job_id == job_id and r.row == row and r.mark is Mark.UPLOAD", "        if r.mark is Mark.UPLOAD"),),
    ),
    Mutant(
        "shared-counters",
        "progress is summed over what each Region counted",
        (Edit("chalicelib.core.progress", "    objects_decided = sum(item.decided.bit_count() for item in merged)", "    objects_decided = sum(item.decided.bit_count() for items in by_part.values() for item in items)"),),
    ),
    Mutant(
        "observation-in-memory",
        "what a Region has seen of a lease is kept in memory only",
        (Edit(_LEASE, "    if found.standing is Standing.MOVED:\n", "    if False:\n"),),
    ),
    Mutant(
        "one-heartbeat-item",
        "both Regions write one and the same heartbeat item",
        (Edit(_LEASE, "            region=self.env.region,\n            epoch=self.epoch,", '            region="us-gov-west-1",\n            epoch=self.epoch,'),),
    ),
    Mutant(
        "receipt-before-verify",
        "the receipt says what the copy step believed",
        (Edit(_VERIFY, "        outcomes = _verify_rows(env, spec, manifest, copied)\n", "        outcomes = list(copied.rows)\n"),),
    ),
    Mutant(
        "claim-not-won",
        "a worker goes on though another has won the claim",
        (Edit(_LEASE, "    if not records.create_claim(_claim(env, records.job_id, part, epoch + 1)):\n        return None\n", "    records.create_claim(_claim(env, records.job_id, part, epoch + 1))\n"),),
    ),
    Mutant(
        "trusted-hint",
        "the hint that nobody has claimed a partition is taken for a fact",
        (Edit(_LEASE, "    if fresh and records.create_claim(_claim(env, records.job_id, part, 1)):\n", "    if fresh:\n"),),
    ),
    Mutant(
        "takeover-by-table-alone",
        "the other Region's beacons are not asked before a takeover",
        (
            Edit(_LEASE, 'owner_region=sights.get(owner, ""))', 'owner_region="")'),
        ),
    ),
    Mutant(
        "trusted-412",
        "412 is taken for somebody else's object, without a look",
        (
            Edit(
                _PUBLISH,
                "        decided = self.look(row)\n        if decided is None and",
                '        return RowOutcome(row.key, Outcome.DESTINATION_CONFLICT, "412")\n        decided = self.look(row)\n        if decided is None and',
            ),
        ),
    ),
    Mutant(
        "lost-answer-is-failure",
        "a request without an answer fails its row",
        (
            Edit(
                _COPY,
                '        unsettled.append(f"{row.key}: {error}")',
                "        holding.decide(index, RowOutcome(row.key, Outcome.FAILED, str(error)))",
            ),
        ),
    ),
    Mutant(
        "settled-without-halves",
        "a job counts as planned when the halves of a fork have not begun",
        (
            Edit("chalicelib.core.settle", 'return all(name in closed or (name in forked and f"{name}0" in ranges and f"{name}1" in ranges) for name in ranges)', "return all(name in closed or name in forked for name in ranges)"),
            Edit("chalicelib.core.settle", "    forks = (len(ranges) - 1) // 2\n    return ROOT_RANGE in ranges and len(links - done) == forks", "    return ROOT_RANGE in ranges"),
        ),
    ),
    Mutant(
        "lost-key-at-a-fork",
        "the lower half of a fork ends one key early",
        (Edit(_SPLIT, "if not chain.end or facts.key <= chain.end]", "if not chain.end or facts.key < chain.end]"),),
    ),
    Mutant(
        "not-on-the-list",
        "an accepted job is not put on the list of open jobs",
        (Edit(_CONTROL, "        records.control.open_job(spec.job_id)", "        pass"),),
    ),
    Mutant(
        "off-the-list-too-soon",
        "a job is taken off the list of open jobs before its end is written",
        (Edit(_SETTLING, "    tally = _fold(env, records, sorted(survey.done))", "    records.control.close_job(records.job_id)\n    tally = _fold(env, records, sorted(survey.done))"),),
    ),
    Mutant(
        "register-left-open",
        "a cancel aborts uploads but leaves the register open",
        (Edit(_MULTIPART, "        if not register.closed:\n            closed =", "        if False:\n            closed ="),),
    ),
    Mutant(
        "delivered-before-it-is",
        "a delivery is noted before the object is published",
        (
            Edit(
                _INTAKE,
                "        done = self.env.pool.map(self._deliver_one, rows)\n",
                "        early = [self._delivery(row, RowOutcome(row.key, Outcome.COPIED)) for row in rows]\n"
                "        self.env.ledger.put_deliveries(early)\n        done = self.env.pool.map(self._deliver_one, rows)\n",
            ),
        ),
    ),
    Mutant(
        "same-size-is-same",
        "an object of the same size passes for the pinned source",
        (Edit("chalicelib.core.identity", "    both_plain = etag_parts(source.etag) == 0", "    return Match.SAME_BY_ETAG\n    both_plain = etag_parts(source.etag) == 0"),),
    ),
    Mutant(
        "nobody-wakes-verify",
        "the sweep doesn't see partitions that are copied and not verified",
        (Edit("chalicelib.core.sweep", "verify=frozenset(records.copied.keys() - records.done)", "verify=frozenset()"),),
    ),
    Mutant(
        "overwritten-records",
        "records are written without If-None-Match",
        (Edit(_RECORDS, "                self.env.store.create(self.bucket, key, body)\n", "                self.env.store.overwrite(self.bucket, key, body)\n"),),
    ),
    Mutant(
        "feeds-not-caught-up",
        "a dead Region's feeds are not listed",
        (Edit(_SWEEP, "            catch_up(env, region)\n", "            pass\n"),),
    ),
)
