"""This module lists planted bugs in multipart uploads and their register."""

from simulation.mutants.plant import Edit, Mutant

_MULTIPART = "chalicelib.protocol.multipart"
_REGISTERS = "chalicelib.core.registers"
_SWEEP = "chalicelib.steps.sweep"

UPLOADS = (
    Mutant(
        "abort-by-age",
        "the sweep aborts an upload because it is old",
        (
            Edit(
                _SWEEP,
                """\
    action = _judge(control, info, generations)
    if action is StaleUploadAction.FENCE:
""",
                """\
    action = StaleUploadAction.ABORT
    if action is StaleUploadAction.FENCE:
""",
            ),
        ),
    ),
    Mutant(
        "unfenced-collection",
        "an unregistered upload is aborted without a TOMBSTONE in its generation",
        (
            Edit(
                _SWEEP,
                """\
    if action is StaleUploadAction.FENCE:
""",
                """\
    if action is StaleUploadAction.FENCE:
        action = StaleUploadAction.ABORT
    if action is StaleUploadAction.FENCE:
""",
            ),
        ),
    ),
    Mutant(
        "tombstone-supersedes",
        "a TOMBSTONE supersedes the upload registered before it",
        (
            Edit(
                _REGISTERS,
                """\
        upload_id=max(own_uploads, key=lambda item: item[0])[1].upload_id if own_uploads else None,
""",
                """\
        upload_id=max(own_uploads, key=lambda item: item[0])[1].upload_id
        if own_uploads and generations[max(generations)].mark is not Mark.TOMBSTONE
        else None,
""",
            ),
        ),
    ),
    Mutant(
        "two-lists",
        "the next generation is read by a second LIST, after the upload was created",
        (
            Edit(
                _MULTIPART,
                """\
        # Crash here: no record names the upload. When it is old, the sweep fences it with a TOMBSTONE and aborts it.
""",
                """\
        generation = max(self.publisher.control.register(self._register_id), default=0) + 1
        # Crash here: no record names the upload. When it is old, the sweep fences it with a TOMBSTONE and aborts it.
""",
            ),
        ),
    ),
    Mutant(
        "no-second-look",
        "after NoSuchUpload a new upload is begun without a look at the destination",
        (
            Edit(
                _MULTIPART,
                """\
                if register.upload_id is not None and (decided := self.publisher.look(self.row)) is not None:
""",
                """\
                if False:
""",
            ),
        ),
    ),
    Mutant(
        "spent-upload",
        "409 at Complete: the upload is not marked dead, and workers go on with it",
        (
            Edit(
                _MULTIPART,
                """\
            if publisher.control.registered(self._register_id, register.next_generation, dead):
                # Crash here: the upload is marked as dead, and still open. The sweep aborts it when it is old.
                publisher.env.store.abort(upload)
""",
                "",
            ),
        ),
    ),
    Mutant(
        "any-upload",
        "an upload that another job has registered for the same key is adopted",
        (
            Edit(
                _REGISTERS,
                """\
        if registration.job_id == job_id
        and registration.row == row
        and registration.mark is Mark.UPLOAD
""",
                """\
        if registration.mark is Mark.UPLOAD
""",
            ),
        ),
    ),
    Mutant(
        "register-left-open",
        "a cancel aborts uploads but leaves the register open",
        (
            Edit(
                _MULTIPART,
                """\
        if not register.closed:
            closed = Registration(Mark.CLOSED, publisher.route.job_id, self.name, "", publisher.env.ids.nonce())
""",
                """\
        if False:
            closed = Registration(Mark.CLOSED, publisher.route.job_id, self.name, "", publisher.env.ids.nonce())
""",
            ),
        ),
    ),
    Mutant(
        "needless-upload-stays-open",
        "a row whose object another job has put there leaves its own upload open",
        (
            Edit(
                _MULTIPART,
                "        if result is not None and result.outcome is Outcome.COPIED:\n",
                "        if False:\n",
            ),
        ),
    ),
    Mutant(
        "helpers-must-be-called",
        "a queue that hangs when helpers are called costs the row a round",
        (
            Edit(
                _MULTIPART,
                """\
            # A queue that doesn't answer says nothing about the row, so it must not cost the row a round.
""",
                "            raise\n",
            ),
        ),
        ("tests/steps/test_part_shares.py::test_a_queue_that_does_not_answer_costs_the_row_no_round",),
    ),
)
