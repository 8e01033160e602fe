"""List the points in which a store is known to differ from AWS. All of them are in this one place, so that nobody takes
a store's fault for AWS's behaviour. The lists also show which store proves what: racing Completes, for instance, are
proven on memory and gateway only.

DEVIATIONS are strict xfails, by test name without the store's. NOT_TESTED is for occasional faults of a store, which no
strict xfail can express. Gateway means ministack behind the gateway: neither of them mends the faults that are listed
here.
"""

_NO_DEFAULT_CHECKSUM = "attaches no checksum to an upload that names none (AWS since 2024-12: CRC64NVME)"
_KEEPS_MULTIPART_ETAG = "CopyObject keeps the source's -N ETag (AWS: a plain MD5)"
_KEEPS_CLASS = "CopyObject without a storage class keeps the source's (AWS: STANDARD)"
_PATHS = "keys are paths of a file system"
_412_FOR_404 = "If-Match on a missing key is 412 (AWS: 404)"
_UPLOAD_KEYS = "ListMultipartUploads echoes EncodingType=url but doesn't encode the keys"

DEVIATIONS: dict[str, dict[str, str]] = {
    "gateway": {
        "test_head_shows_the_checksum_that_s3_attaches": _NO_DEFAULT_CHECKSUM,
        "test_list_names_the_checksum": _NO_DEFAULT_CHECKSUM,
        "test_copy_has_a_full_object_checksum": _NO_DEFAULT_CHECKSUM,
        "test_stranger_is_denied": "without AUTH=true it answers everybody",
        "test_a_stranger_is_told_nothing_of_a_bucket": "without AUTH=true it answers everybody",
        "test_copy_has_the_storage_class_that_is_stated[STANDARD]": _KEEPS_CLASS,
        "test_copy_has_the_redirect_that_is_stated[None]": "CopyObject keeps the source's redirect (AWS: drops it)",
        "test_copy_of_a_multipart_object_has_a_plain_etag": _KEEPS_MULTIPART_ETAG,
    },
    "seaweedfs": {
        "test_head_shows_the_checksum_that_s3_attaches": _NO_DEFAULT_CHECKSUM,
        "test_list_names_the_checksum": _NO_DEFAULT_CHECKSUM,
        "test_copy_has_a_full_object_checksum": _NO_DEFAULT_CHECKSUM,
        "test_bucket_of_another_owner_is_denied": "ignores ExpectedBucketOwner",
        "test_another_owners_bucket_says_nothing": "ignores ExpectedBucketOwner",
        "test_another_owners_bucket_does_not_say_whether_it_keeps_versions": "ignores ExpectedBucketOwner",
        "test_write_to_a_missing_bucket": "makes the bucket for an administrator, and denies others (AWS: 404)",
        "test_list_is_in_the_order_of_utf8_bytes": f"{_PATHS}: a key can't lie under another, nor 'a/b' after 'a-'",
        "test_list_starts_after_any_key": f"{_PATHS}: a key can't lie under another, nor 'a/b' after 'a-'",
        "test_odd_key[quotes]": f"{_PATHS}: a backslash becomes a slash",
        "test_odd_key[folder]": f"{_PATHS}: the content of a key that ends in a slash is lost",
        "test_odd_key[double-slash]": f"{_PATHS}: '//' becomes '/'",
        "test_odd_key[dot]": f"{_PATHS}: '.' segments are refused",
        "test_odd_key[dot-dot]": f"{_PATHS}: '..' segments are refused",
        "test_longest_key": f"{_PATHS}: the name after the last slash is limited",
        "test_copy_of_nothing[folder/]": f"{_PATHS}: a folder marker is a folder, which can't be copied",
        "test_part_sizes_are_unknown_of_an_object_put_whole": "says PartsCount 1 (AWS: says none)",
        "test_copy_has_the_storage_class_that_is_stated[STANDARD]": _KEEPS_CLASS,
        "test_copy_has_the_redirect_that_is_stated[/elsewhere]": "keeps no website redirects",
        "test_copy_of_a_multipart_object_has_a_plain_etag": _KEEPS_MULTIPART_ETAG,
        "test_copy_over_an_expected_object_that_is_gone": _412_FOR_404,
        "test_complete_over_an_expected_object_that_is_gone": _412_FOR_404,
        "test_pinned_delete_of_what_is_gone[plain]": _412_FOR_404,
        "test_pinned_delete_of_what_is_gone[versioned]": _412_FOR_404,
        "test_pinned_delete_of_what_is_gone[suspended]": _412_FOR_404,
        "test_pinned_delete_of_what_was_never_there": _412_FOR_404,
        "test_equal_boundaries_make_equal_etags": "the ETag of a part made by UploadPartCopy is not its MD5",
        "test_complete_with_a_wrong_size": "ignores MpuObjectSize",
        "test_range_of_a_small_source": "copies ranges of any source (AWS: over 5 MB)",
        "test_open_upload_names_its_initiator": "ListMultipartUploads names no initiator",
        "test_open_upload_of_an_odd_key[a+b]": _UPLOAD_KEYS,
        "test_open_upload_of_an_odd_key[100%25]": _UPLOAD_KEYS,
    },
}

NOT_TESTED: dict[str, dict[str, str]] = {
    "seaweedfs": {
        "test_racing_completes_have_one_winner": "in about 1 of 8 races all Completes with If-None-Match win",
        "test_racing_completes_of_one_upload_publish_once": "as above",
    },
}
