"""The gateway of the local cloud is one process in front of the AWS emulator (ministack). All requests go through it.

    python -m local.gateway --upstream http://127.0.0.1:N --listen aws=P1 --listen us-gov-west-1=P2 ...

The listener identifies the caller: `aws` is for clients outside, `<region>` for the functions of that Region's stack,
`api` is the one API name that fails over, `api-<region>` that Region's own. Its modules:

- `server`, `exchange`, `upstream`: pass every request on, byte for byte; `classify` says what the request is
- `writes`, `uploads`, `partcopy`, `reads`: what S3 does and the emulator doesn't (the table below)
- `counters`, `faults`, `cuts`: count requests, inject faults, cut Regions off; `control` is their HTTP interface;
  `hanging`, `responding`: requests without an answer, and answers that are slow or broken off
- `replication`, `replicator`, `tablewrites`: replicate two tables of one name as a global table does (MREC)
- `callers`: the identity behind a request, which listings of multipart uploads show
- `apis`, `routing`: one name for two Regions, as Route 53 would resolve it
- `launch`, `process`, `client`: start the gateway as a child process, and call its control endpoints

Control, on the `aws` listener:

    GET | DELETE      /_gateway/requests                 counts by caller, service, operation, bucket, status class
    GET | PUT | DELETE /_gateway/faults                  rules, see `faults.Rule`
    GET               /_gateway/cut
    PUT | DELETE      /_gateway/cut/<region>[?s3=true&how=hang]  its API, its functions, and its services for the other
                                                         Region's; with s3 its buckets for everyone too. Connections
                                                         close; how=hang: nothing is answered until DELETE
    GET | PUT         /_gateway/apis                     {"us-gov-west-1": {"path": "/_aws/execute-api/<id>/<stage>"}}
    GET               /_gateway/routing                  health, resolver's cache, every change with its time
    GET | PUT         /_gateway/replication              lag, stalled directions, queues; see `replication`
    PUT               /_gateway/uploads/age              {"upload_id": "...", "age_hours": 48}: it looks that old
    GET               /_gateway/health

S3's behaviour that the emulator lacks:

    condition on CopyObject's destination         added, atomic: every write of a key holds its lock
    part order, 5 MiB minimum, empty part list    added
    FULL_OBJECT checksums of multipart uploads    added; shown by part copies, ListParts, HEAD, GET, LIST, CopyObject
    checksum type and algorithm in LIST, Put      added
    checksum algorithm asked of a CopyObject      added
    checksum of a copied COMPOSITE object         added, computed when HEAD asks
    tags of CreateMultipartUpload, tag count      added; tags of an overwritten object are deleted
    HEAD of one part, number of parts             added
    key 1,024 bytes, metadata 2 KB, pages 1,000   added
    copy range only of sources over 5 MB          added
    copy onto itself without a change             refused
    CopyObject over 5 GiB                         refused if the gateway has seen the source's size
    initiator of multipart uploads                added: the ARN of the caller
    expected bucket owners                        added; buckets of other accounts only if created through here
    ETag of a copied multipart object             differs: stays "-N", is a plain MD5 on S3
    default CRC64NVME on uploads that name none   missing: such an object has no checksum, like one from before 2024-12
    COMPOSITE checksum over copied parts          missing
    409 ConditionalRequestConflict                never by itself; inject it as a fault
    current version = upload that started last    differs: the one that completed last
    bucket policies, 403s, KMS                    the emulator's own: none unless AUTH=true

Under AUTH=true a request that the gateway has to rewrite is sent on as the emulator's root, since the client's
signature no longer fits. These are Create, UploadPart and Complete of a FULL_OBJECT upload, and pages over 1,000. Their
permissions are not checked then; UploadPartCopy, CopyObject and everything else are checked.

The gateway's memory (checksums, tags and initiators of open uploads, writes not yet replicated) ends with the process.
A FULL_OBJECT upload begun before a restart can't be completed with its checksum any more: NoSuchUpload.
"""
