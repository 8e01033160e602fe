"""Defines the errors of this product, sorted by what the caller does about them.

Adapters translate whatever AWS answers into one of these, once. No handler looks at an error's text.
"""


class EftError(Exception):
    """Base of every error this product raises on purpose.

    `code` is a stable machine word (AWS's own where there is one); the message is for people.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message or code


class Retry(EftError):
    """The answer says nothing about the effect: throttled, a 5xx, a timeout, a 409. Look, then perhaps try again."""


class NoAnswer(Retry):
    """The dependency did not answer within the call's time budget: there was no connection, or it closed, or no data
    came. The request may have been carried out all the same. The next call to the same dependency most likely gets no
    answer either, and costs its whole budget, so a caller with other work should do that first."""


class NotAsked(NoAnswer):
    """The call was not made, because its dependency has failed to answer earlier in this invocation. So it had no
    effect."""


class Unsettled(Retry):
    """One invocation used up its attempts, and the result is still undecided."""


class Conflict(Retry):
    """409 ConditionalRequestConflict: a concurrent write to the key. At CompleteMultipartUpload the upload can't be
    used any more and must be started anew (S3 user guide, "Conditional writes")."""


class PreconditionFailed(EftError):
    """412: somebody else's state is there, or your own earlier success is. Look and decide; never just repeat."""


class NotFound(EftError):
    """The key (or version) does not exist. This is an answer, not a fault."""


class NoSuchUpload(EftError):
    """The multipart upload was completed or aborted; S3 does not say which."""


class NoSuchBucket(EftError):
    """The bucket doesn't exist, or the expected owner doesn't own it."""


class Denied(EftError):
    """AWS refuses this principal. Repeating won't help until somebody changes a policy."""


class Archived(EftError):
    """The object is in an archive class and not restored (S3: InvalidObjectState)."""


class Permanent(EftError):
    """AWS refuses the request itself; the same request will always be refused."""


class Corrupt(EftError):
    """A record of ours doesn't contain what it must. It is never repaired silently."""


class OutOfTime(EftError):
    """This invocation's time is used up. The work so far is recorded, and the next invocation continues from there."""


class JobCancelled(EftError):
    """The job was cancelled: decide the undecided rows without copying."""


class JobPaused(EftError):
    """The job was paused: begin nothing new, and release what is undecided."""


class Superseded(EftError):
    """Another worker holds the partition at a higher epoch, or the partition is done or cancelled. Stop; nothing is
    lost."""


class BadRequest(EftError):
    """A client's request can't be carried out as it is. The message says what to change."""


class Unknown(EftError):
    """The thing does not exist, or it belongs to another tenant. The answer doesn't reveal which."""


class KeyReused(EftError):
    """The Idempotency-Key was used for another request before."""


class NotYet(EftError):
    """The request can be carried out only when the job has progressed further. The message says when."""


class Stale(EftError):
    """The client's view is outdated: its If-Match or If-None-Match does not hold."""


class InUse(EftError):
    """It can't be removed or changed like this, since something else needs it. The message says what."""


class Unusable(EftError):
    """The request names something that can't be used as it is now, for reasons outside the request. The message says
    which, and what would help."""
