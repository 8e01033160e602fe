"""Make the text that `make up` prints: commands to copy and paste."""

from __future__ import annotations

from typing import Any

from local.package import REPOSITORY
from local.run import DEFAULT_NAME, Run

_SETTINGS = """\
export AWS_ACCESS_KEY_ID={access_key_id} AWS_SECRET_ACCESS_KEY={secret_access_key} AWS_DEFAULT_REGION={west[region]}
API={api_url} ENDPOINT={endpoint_url}
SOURCE_BUCKET={west[source_bucket]} TARGET_BUCKET={west[target_bucket]} EAST_TARGET_BUCKET={east[target_bucket]}
TOKEN={token}
"""

_TEXT = """
Both Regions are up. Settings: {settings_file}   Logs: {folder}/   Take it down: make down{argument}

# Settings for this shell; docs/api.md goes on from here
{shell}
# Drop a file: it appears at the target within seconds
aws --endpoint-url {endpoint_url} s3 cp README.md s3://{west[source_bucket]}/inbox/
aws --endpoint-url {endpoint_url} s3 ls s3://{west[target_bucket]}/inbox/

# The same with rclone
rclone copyto README.md :s3:{west[source_bucket]}/inbox/README.md {rclone}
rclone ls :s3:{west[target_bucket]}/inbox {rclone}

# Submit a job: everything under West's inbox/ to East, below from-west/
JOB=$(curl -sS {api_url}/jobs -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{{"source": {{"endpoint": "west-source", "prefix": "inbox/"}}, \
"target": {{"endpoint": "east-target", "prefix": "from-west/"}}}}' | grep -o 'job-[a-z0-9]*')
curl -sS {api_url}/jobs/$JOB -H "Authorization: Bearer $TOKEN"
aws --endpoint-url {endpoint_url} s3 ls --recursive s3://{east[target_bucket]}/from-west/
"""

_RCLONE = (
    "--config /dev/null --s3-provider Other --s3-endpoint {endpoint_url} --s3-access-key-id {access_key_id}"
    " --s3-secret-access-key {secret_access_key} --s3-region {region} --s3-no-check-bucket"
)


def settings_for_shell(settings: dict[str, Any]) -> str:
    """Return shell commands that set the variables with which docs/api.md and the README begin."""
    return _SETTINGS.format(**settings, **settings["regions"])


def examples(settings: dict[str, Any], run: Run) -> str:
    """Return the text for a cloud's settings (the contents of `out/local.json`)."""
    regions = settings["regions"]
    return _TEXT.format(
        **{name: value for name, value in settings.items() if name != "regions"},
        **regions,
        shell=settings_for_shell(settings),
        rclone=_RCLONE.format(region=regions["west"]["region"], **settings),
        settings_file=run.settings_file.relative_to(REPOSITORY),
        folder=run.folder.relative_to(REPOSITORY),
        argument="" if run.name == DEFAULT_NAME else f" RUN={run.name}",
    )
