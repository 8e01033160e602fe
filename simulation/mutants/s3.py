"""This module lists planted bugs in the S3 adapter: the requests that it sends, the next page that it asks for, and how
it reads answers."""

from simulation.mutants.plant import Edit, Mutant

_S3 = "chalicelib.adapters.s3"
_SHAPES = "chalicelib.adapters.s3_shapes"
_ERRORS = "chalicelib.adapters.s3_errors"
_XML = "chalicelib.adapters.s3_xml"
_PAGES = "tests/contract/test_s3_pages.py"
_ADAPTER = "tests/contract/test_s3_adapter.py"
_ANSWERS = "tests/contract/test_s3_answers.py"
_UNHOLDABLE = f"{_ANSWERS}::test_an_answer_about_a_key_that_xml_can_not_hold_is_understood"

S3 = (
    Mutant(
        "first-page-of-parts",
        "the S3 adapter takes only the first page of ListParts",
        (
            Edit(
                _S3,
                """\
            if not answer.get("IsTruncated"):
                return parts
            request["PartNumberMarker"] = answer["NextPartNumberMarker"]
""",
                """\
            return parts
""",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "part-marker-from-what-was-seen",
        "ListParts goes on behind the last part it has seen: an empty page leads nowhere",
        (
            Edit(
                _S3,
                """\
            request["PartNumberMarker"] = answer["NextPartNumberMarker"]
""",
                """\
            request["PartNumberMarker"] = str(parts[-1].number if parts else 0)
""",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "upload-id-marker-dropped",
        "ListMultipartUploads goes on by key alone, and leaves out uploads of a key that has more than a page",
        (
            Edit(
                _S3,
                """\
            request["UploadIdMarker"] = answer["NextUploadIdMarker"]
""",
                "",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "upload-markers-swapped",
        "ListMultipartUploads goes on with the markers that it was asked with",
        (Edit(_S3, 'answer["NextUploadIdMarker"]', 'answer.get("UploadIdMarker", "")'),),
        (_PAGES,),
    ),
    Mutant(
        "key-marker-still-encoded",
        "the key marker of ListMultipartUploads is sent back as it came, url-encoded",
        (Edit(_S3, 'shapes.decoded(answer, answer["NextKeyMarker"])', 'answer["NextKeyMarker"]'),),
        (_PAGES,),
    ),
    Mutant(
        "plus-is-a-plus",
        "a plus sign in a url-encoded key is not decoded as a space",
        (
            Edit(_SHAPES, "import quote, unquote_plus, urlencode", "import quote, unquote, urlencode"),
            Edit(_SHAPES, 'unquote_plus(text or "")', 'unquote(text or "")'),
        ),
        (_PAGES,),
    ),
    Mutant(
        "decoded-though-not-encoded",
        "keys are decoded even if the store has not encoded them",
        (Edit(_SHAPES, ' if answer.get("EncodingType") == "url" else text or ""', ""),),
        (_PAGES,),
    ),
    Mutant(
        "empty-page-is-the-end",
        "ListObjectsV2 stops at an empty page that is not the last",
        (
            Edit(
                _S3,
                """\
            if objects or not answer.get("IsTruncated"):
                return Page(objects, bool(answer.get("IsTruncated")))
""",
                """\
            if not objects or not answer.get("IsTruncated"):
                return Page(objects, truncated=False)
            if objects:
                return Page(objects, truncated=True)
""",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "continuation-token-lost",
        "after an empty page ListObjectsV2 asks for the same page again",
        (
            Edit(
                _S3,
                """\
            request["ContinuationToken"] = answer["NextContinuationToken"]
""",
                """\
            request["ContinuationToken"] = answer.get("ContinuationToken", answer["NextContinuationToken"])
""",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "full-page-is-not-the-last",
        "whether a page of objects is the last is guessed from how full it is",
        (
            Edit(
                _S3,
                """\
                return Page(objects, bool(answer.get("IsTruncated")))
""",
                """\
                return Page(objects, len(objects) == min(limit, LIST_PAGE_KEYS))
""",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "parts-counted-not-summed",
        "the parts that GetObjectAttributes lists are not compared with the object's size",
        (Edit(_S3, 'return sizes if sum(sizes) == answer.get("ObjectSize") else ()', "return sizes"),),
        (_PAGES,),
    ),
    Mutant(
        "first-page-of-attributes",
        "only the first page of an object's parts is read from GetObjectAttributes",
        (
            Edit(
                _S3,
                """\
            request["PartNumberMarker"] = object_parts["NextPartNumberMarker"]
""",
                """\
            return sizes
""",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "parts-of-any-version",
        "an object's part sizes are asked for without its version",
        (
            Edit(
                _S3,
                'shapes.at(bucket, Key=key, VersionId=version_id, ObjectAttributes=["ObjectParts", "ObjectSize"])',
                'shapes.at(bucket, Key=key, ObjectAttributes=["ObjectParts", "ObjectSize"])',
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "last-part-of-another-object",
        "part sizes are looked at one by one, without the condition that it is still the same object",
        (
            Edit(
                _S3,
                "self.head(bucket, key, version_id=version_id, if_match=whole.facts.etag, part_number=number)",
                "self.head(bucket, key, version_id=version_id, part_number=number)",
            ),
        ),
        (_PAGES,),
    ),
    Mutant(
        "copy-sent-to-the-sources-region",
        "CopyObject is sent to the source's Region",
        (
            Edit(
                _S3,
                "answer = self._client(bucket.region, RequestKind.COPY).copy_object(**request)",
                "answer = self._client(source.bucket.region, RequestKind.COPY).copy_object(**request)",
            ),
        ),
        (_ADAPTER,),
    ),
    Mutant(
        "copies-are-retried",
        "botocore repeats copies as it repeats reads: our own success becomes a 412",
        (Edit(_S3, "TRIES if kind is RequestKind.READ else 1", "1 if kind is RequestKind.WRITE else TRIES"),),
        (_ADAPTER,),
    ),
    Mutant(
        "complete-is-a-write",
        "CompleteMultipartUpload is given a read's time, and is repeated",
        (
            Edit(
                _S3,
                "self._client(upload.bucket.region, RequestKind.COPY).complete_multipart_upload",
                "self._client(upload.bucket.region, RequestKind.READ).complete_multipart_upload",
            ),
        ),
        (_ADAPTER,),
    ),
    Mutant(
        "owner-of-the-source-unsaid",
        "a copy doesn't name the expected owner of its source's bucket",
        (
            Edit(
                _SHAPES,
                """\
            "ExpectedSourceBucketOwner": source.bucket.owner,
""",
                "",
            ),
        ),
        (_ADAPTER,),
    ),
    Mutant(
        "range-one-byte-long",
        "a part is copied with one byte of the next one",
        (
            Edit(
                _S3,
                'f"bytes={first_byte}-{last_byte}"\n        with',
                'f"bytes={first_byte}-{last_byte + 1}"\n        with',
            ),
        ),
        (_ANSWERS,),
    ),
    Mutant(
        "part-one-byte-short",
        "a copied part counts as one byte shorter than it is",
        (Edit(_S3, "last_byte - first_byte + 1)", "last_byte - first_byte)"),),
        (_ANSWERS,),
    ),
    Mutant(
        "range-ignored-and-cut-short",
        "the last byte is cut off if a store ignores ranges",
        (Edit(_S3, "body[first_byte : last_byte + 1]", "body[first_byte:last_byte]"),),
        (_ANSWERS,),
    ),
    Mutant(
        "read-of-another-object",
        "ranges are read without a condition: two of them may come from two objects",
        (Edit(_S3, "            IfMatch=shapes.quoted(etag),\n", ""),),
        (_ANSWERS,),
    ),
    Mutant(
        "size-unsaid-at-complete",
        "CompleteMultipartUpload doesn't say how large the object must be",
        (Edit(_S3, ", UploadId=upload.upload_id, MpuObjectSize=size)", ", UploadId=upload.upload_id)"),),
        (_ADAPTER,),
    ),
    Mutant(
        "checksum-type-ignored",
        "an answer's ChecksumType is not read: the type of a checksum is guessed from the ETag",
        (
            Edit(
                _SHAPES,
                'return Checksum(algorithm, ChecksumType(answer.get("ChecksumType") or assumed), value)',
                "return Checksum(algorithm, assumed, value)",
            ),
        ),
        (_ADAPTER,),
    ),
    Mutant(
        "listed-checksum-is-whole",
        "a checksum that LIST shows of an object made of parts counts as one of the whole object",
        (
            Edit(
                _SHAPES,
                "    assumed = ChecksumType.COMPOSITE if _MULTIPART_ETAG.search(etag) else ChecksumType.FULL_OBJECT\n",
                "    assumed = ChecksumType.FULL_OBJECT\n",
            ),
        ),
        (_ANSWERS,),
    ),
    Mutant(
        "restored-while-it-is-restored",
        "an archived object counts as readable when its restore has begun",
        (Edit(_SHAPES, "'ongoing-request=\"false\"' in (answer", "'ongoing-request' in (answer"),),
        (_ADAPTER,),
    ),
    Mutant(
        "null-version-is-none",
        'the version id "null" is dropped, so nothing is pinned in a bucket whose versioning is suspended',
        (
            Edit(
                _SHAPES,
                '    return answer.get("VersionId") or None\n',
                '    version = answer.get("VersionId")\n    return None if version == "null" else version or None\n',
            ),
        ),
        (_ANSWERS,),
    ),
    Mutant(
        "tags-encoded-as-a-form",
        "tags are restated with plus signs for spaces, which S3 takes for plus signs",
        (Edit(_SHAPES, 'urlencode(tags, quote_via=quote, safe="")', "urlencode(tags)"),),
        (_ANSWERS,),
    ),
    Mutant(
        "delete-pins-nothing",
        "a pinned delete's condition lacks its quotes",
        (
            Edit(
                _S3,
                "request = shapes.at(bucket, Key=key, IfMatch=shapes.quoted(expected_target_etag))",
                "request = shapes.at(bucket, Key=key, IfMatch=expected_target_etag)",
            ),
        ),
        (_ADAPTER,),
    ),
    Mutant(
        "empty-etag-is-no-condition",
        "a destination whose ETag is unknown counts as one that is not there",
        (
            Edit(
                _SHAPES,
                'return {"IfNoneMatch": "*"} if expected_target_etag is None else',
                'return {} if not expected_target_etag else {"IfNoneMatch": "*"} if expected_target_etag is None else',
            ),
        ),
        (_ADAPTER,),
    ),
    Mutant(
        "refused-in-passing-is-refused",
        "throttling by KMS fails a row for good: its code is missing in the table of errors",
        (Edit(_ERRORS, '    "KMS.ThrottlingException": Retry,\n', ""),),
        (_ANSWERS,),
    ),
    Mutant(
        "skewed-clock-is-denied",
        "a request signed too long ago, by a process that was frozen, fails its row as denied",
        (Edit(_ERRORS, '    "RequestTimeTooSkewed": Retry,', "    "),),
        (_ANSWERS,),
    ),
    Mutant(
        "new-500-is-final",
        "a 500 with a code that nobody has listed fails its row for good",
        (Edit(_ERRORS, "return Retry if status >= 500 else Permanent", "return Retry if status > 500 else Permanent"),),
        (_ANSWERS,),
    ),
    Mutant(
        "new-409-is-final",
        "a 409 with a code that nobody has listed fails its row for good",
        (Edit(_ERRORS, "    409: Retry,\n", ""),),
        (_ANSWERS,),
    ),
    Mutant(
        "control-characters-as-they-are",
        "answers about keys with control characters are not made readable: each success looks like a 500",
        (Edit(_XML, "_RAW.sub(_REPLACEMENT, text)", "text"),),
        (_UNHOLDABLE,),
    ),
    Mutant(
        "character-references-as-they-are",
        "control characters that are written as references are left in an answer",
        (Edit(_XML, "    return _REFERENCE.sub(_referred, ", "    return ("),),
        (_UNHOLDABLE,),
    ),
    Mutant(
        "success-is-still-a-500",
        "an answer is made readable, and still counts as the 500 that botocore had made of it",
        (Edit(_XML, '        response_dict["status_code"] = 200\n', "        pass\n"),),
        (_UNHOLDABLE,),
    ),
    Mutant(
        "parts-of-such-a-key-unread",
        "lists of parts are not made readable: a key with a control character is copied by parts for ever",
        (Edit(_XML, ', "CompleteMultipartUpload", "ListParts")', ', "CompleteMultipartUpload")'),),
        (_UNHOLDABLE,),
    ),
    Mutant(
        "errors-about-such-a-key-unread",
        "errors about keys with control characters are not made readable, and lose their meaning",
        (Edit(_XML, "    if not is_error and operation_model", "    if operation_model"),),
        (f"{_ANSWERS}::test_whatever_was_asked_about_such_a_key",),
    ),
)
