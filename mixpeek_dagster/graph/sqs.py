"""SQS as a Dagster resource; dagster-aws has the configuration that its resources share, but none for queues."""

# No postponed annotations here: Dagster reads those of resources.

from typing import Any

import boto3
from dagster_aws.utils import ResourceWithBoto3Configuration, construct_boto_client_retry_config


class SQSResource(ResourceWithBoto3Configuration):
    """Queues of SQS, or of a server that speaks like it."""

    def get_client(self) -> Any:
        """Like `S3Resource.get_client`, of a session with the profile."""
        return boto3.session.Session(profile_name=self.profile_name).client(
            "sqs",
            endpoint_url=self.endpoint_url,
            region_name=self.region_name,
            use_ssl=self.use_ssl,
            verify=self.verify,
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key,
            aws_session_token=self.aws_session_token,
            config=construct_boto_client_retry_config(self.max_attempts),  # type: ignore[no-untyped-call]
        )
