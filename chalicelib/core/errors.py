"""Errors, sorted by what the caller does about them.

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
    """Nobody answered within the call's time budget: no connection, or it closed, or nothing came. The next call to the
    same place most likely gets no answer either, and costs its whole budget: who has other work does that first. The
    request may have been carried out all the same."""


class NotAsked(NoAnswer):
    """The call was not made: whom it would have gone to has not answered this invocation before. So it did not
    happen."""


class Unsettled(Retry):
    """It was tried as often as one invocation tries, and is as undecided as before."""


class Conflict(Retry):
    """409 ConditionalRequestConflict: a concurrent write to the key. At CompleteMultipartUpload the upload is spent and
    must be started anew (S3 user guide, "Conditional writes")."""


class PreconditionFailed(EftError):
    """412: somebody else's state is there, or your own earlier success is. Look and decide; never just repeat."""


class NotFound(EftError):
    """The key (or version) is gone. An answer, not a fault."""


class NoSuchUpload(EftError):
    """The multipart upload was completed or aborted; S3 does not say which."""


class NoSuchBucket(EftError):
    """The bucket doesn't exist, or not under the expected owner."""


class Denied(EftError):
    """AWS refuses this principal. Repeating won't help until somebody changes a policy."""


class Archived(EftError):
    """The object is in an archive class and not restored (S3: InvalidObjectState)."""


class Permanent(EftError):
    """AWS refuses the request itself; the same request will always be refused."""


class Corrupt(EftError):
    """A record of ours doesn't say what it must. Never repaired silently."""


class OutOfTime(EftError):
    """This invocation's time is used up. What is done is recorded; the next invocation goes on from there."""


class JobCancelled(EftError):
    """The job was cancelled: what is undecided is to be decided without copying."""


class JobPaused(EftError):
    """The job was paused: begin nothing new, and give back what is undecided."""


class Superseded(EftError):
    """Another worker holds the partition at a higher epoch, or it is done or cancelled. Stop; nothing is lost."""


class BadRequest(EftError):
    """A request of a client that can't be carried out as it stands; the message says what to change."""


class Unknown(EftError):
    """There is no such thing, or it belongs to another tenant: nobody is told which."""


class KeyReused(EftError):
    """The Idempotency-Key was used for another request before."""


class NotYet(EftError):
    """The request can be carried out only when the job has got further; the message says when."""


class Stale(EftError):
    """What the client has seen is not what is there now: If-Match or If-None-Match does not hold."""


class InUse(EftError):
    """It can't be removed or changed so, since something else needs it; the message says what."""


class Unusable(EftError):
    """What is named can't be used as it is now, for reasons outside the request; the message says which, and what would
    help."""
