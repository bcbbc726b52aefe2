"""The source that functions-framework loads: the API over a few days."""

from few_days import publish_three_days

from cluster_assets.api.config import ApiConfig
from cluster_assets.api.entrances.cloud_run import create_function
from cluster_assets.api.entrances.server import create_container_application

answer = create_function(create_container_application(publish_three_days(), ApiConfig(pipeline="points"), {}))
