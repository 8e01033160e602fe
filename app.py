"""Every entry point of the service. Each handler is one statement; the work is done in chalicelib."""

from functools import partial
from typing import Any

from chalice.app import AuthResponse, Chalice, Response

from chalicelib import runtime
from chalicelib.adapters import http
from chalicelib.entry import handlers
from chalicelib.entry.rest import routes, routes_registry

app = Chalice(app_name="eft")
app.api.cors = False
NO_BODY: list[str] = []
"""Value for `content_types` with which Chalice accepts any content type. The type of a missing body means nothing."""


@app.middleware("http")
def problems(request: Any, get_response: Any) -> Response:
    return http.as_problem(request, get_response(request))


@app.authorizer(ttl_seconds=60)
def bearer(request: Any) -> AuthResponse:
    return http.authorize(runtime.keyring(), request)


@app.route("/jobs", methods=["POST"], authorizer=bearer)
def submit_job() -> Response:
    return runtime.respond(app.current_request, routes.submit_job)


@app.route("/jobs", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def list_jobs() -> Response:
    return runtime.respond(app.current_request, routes.list_jobs)


@app.route("/jobs/{job_id}", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def get_job(job_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes.get_job, job_id=job_id))


@app.route("/jobs/{job_id}/cancel", methods=["POST"], authorizer=bearer, content_types=NO_BODY)
def cancel_job(job_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes.cancel_job, job_id=job_id))


@app.route("/jobs/{job_id}/pause", methods=["POST"], authorizer=bearer, content_types=NO_BODY)
def pause_job(job_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes.pause_job, job_id=job_id))


@app.route("/jobs/{job_id}/resume", methods=["POST"], authorizer=bearer, content_types=NO_BODY)
def resume_job(job_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes.resume_job, job_id=job_id))


@app.route("/jobs/{job_id}/retry", methods=["POST"], authorizer=bearer, content_types=NO_BODY)
def retry_job(job_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes.retry_job, job_id=job_id))


@app.route("/jobs/{job_id}/objects", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def list_objects(job_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes.list_objects, job_id=job_id))


@app.route("/jobs/{job_id}/report", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def get_report(job_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes.get_report, job_id=job_id))


@app.route("/schedules", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def list_schedules() -> Response:
    return runtime.respond(app.current_request, routes_registry.list_schedules)


@app.route("/schedules/{schedule_id}", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def get_schedule(schedule_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.get_schedule, schedule_id=schedule_id))


@app.route("/schedules/{schedule_id}", methods=["PUT"], authorizer=bearer)
def put_schedule(schedule_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.put_schedule, schedule_id=schedule_id))


@app.route("/schedules/{schedule_id}", methods=["DELETE"], authorizer=bearer, content_types=NO_BODY)
def remove_schedule(schedule_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.remove_schedule, schedule_id=schedule_id))


@app.route("/plans", methods=["POST"], authorizer=bearer)
def submit_plan() -> Response:
    return runtime.respond(app.current_request, routes.submit_plan)


@app.route("/plans/{plan_id}", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def get_plan(plan_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes.get_plan, plan_id=plan_id))


@app.route("/plans/{plan_id}/objects", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def list_planned(plan_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes.list_planned, plan_id=plan_id))


@app.route("/plans/{plan_id}/approve", methods=["POST"], authorizer=bearer, content_types=NO_BODY)
def approve_plan(plan_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes.approve_plan, plan_id=plan_id))


@app.route("/endpoints", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def list_endpoints() -> Response:
    return runtime.respond(app.current_request, routes_registry.list_endpoints)


@app.route("/endpoints/{endpoint_id}", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def get_endpoint(endpoint_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.get_endpoint, endpoint_id=endpoint_id))


@app.route("/endpoints/{endpoint_id}", methods=["PUT"], authorizer=bearer)
def put_endpoint(endpoint_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.put_endpoint, endpoint_id=endpoint_id))


@app.route("/endpoints/{endpoint_id}", methods=["DELETE"], authorizer=bearer, content_types=NO_BODY)
def remove_endpoint(endpoint_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.remove_endpoint, endpoint_id=endpoint_id))


@app.route("/endpoints/{endpoint_id}/check", methods=["POST"], authorizer=bearer, content_types=NO_BODY)
def check_endpoint(endpoint_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.check_endpoint, endpoint_id=endpoint_id))


@app.route("/audit", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def list_changes() -> Response:
    return runtime.respond(app.current_request, routes_registry.list_changes)


@app.route("/feeds", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def list_feeds() -> Response:
    return runtime.respond(app.current_request, routes_registry.list_feeds)


@app.route("/webhooks", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def list_webhooks() -> Response:
    return runtime.respond(app.current_request, routes_registry.list_webhooks)


@app.route("/webhooks/{webhook_id}", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def get_webhook(webhook_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.get_webhook, webhook_id=webhook_id))


@app.route("/webhooks/{webhook_id}", methods=["PUT"], authorizer=bearer)
def put_webhook(webhook_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.put_webhook, webhook_id=webhook_id))


@app.route("/webhooks/{webhook_id}", methods=["DELETE"], authorizer=bearer, content_types=NO_BODY)
def remove_webhook(webhook_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.remove_webhook, webhook_id=webhook_id))


@app.route("/webhooks/{webhook_id}/rotate", methods=["POST"], authorizer=bearer, content_types=NO_BODY)
def rotate_secret(webhook_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.rotate_secret, webhook_id=webhook_id))


@app.route("/webhooks/{webhook_id}/test", methods=["POST"], authorizer=bearer, content_types=NO_BODY)
def test_webhook(webhook_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.test_webhook, webhook_id=webhook_id))


@app.route("/feeds/{feed_id}", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def get_feed(feed_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.get_feed, feed_id=feed_id))


@app.route("/feeds/{feed_id}", methods=["PUT"], authorizer=bearer)
def put_feed(feed_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.put_feed, feed_id=feed_id))


@app.route("/feeds/{feed_id}", methods=["DELETE"], authorizer=bearer, content_types=NO_BODY)
def remove_feed(feed_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.remove_feed, feed_id=feed_id))


@app.route("/feeds/{feed_id}/pause", methods=["POST"], authorizer=bearer, content_types=NO_BODY)
def pause_feed(feed_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.pause_feed, feed_id=feed_id))


@app.route("/feeds/{feed_id}/resume", methods=["POST"], authorizer=bearer, content_types=NO_BODY)
def resume_feed(feed_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.resume_feed, feed_id=feed_id))


@app.route("/feeds/{feed_id}/backfill", methods=["POST"], authorizer=bearer)
def backfill_feed(feed_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.backfill_feed, feed_id=feed_id))


@app.route("/feeds/{feed_id}/deliveries", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def list_deliveries(feed_id: str) -> Response:
    return runtime.respond(app.current_request, partial(routes_registry.list_deliveries, feed_id=feed_id))


@app.route("/regions", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def regions() -> Response:
    return runtime.respond(app.current_request, routes.regions)


@app.route("/leases", methods=["GET"], authorizer=bearer, content_types=NO_BODY)
def leases() -> Response:
    return runtime.respond(app.current_request, routes.leases)


@app.route("/health", methods=["GET"], content_types=NO_BODY)
def health() -> Response:
    return runtime.respond(app.current_request, routes.health)


@app.route("/openapi.json", methods=["GET"], content_types=NO_BODY)
def describe() -> Response:
    return runtime.respond(app.current_request, routes.describe)


@app.on_sqs_message(queue="intake", batch_size=100)
def intake(event: Any) -> Any:
    return runtime.handle(handlers.intake, event)


@app.on_sqs_message(queue="split", batch_size=1)
def split(event: Any) -> Any:
    return runtime.handle(handlers.split, event)


@app.on_sqs_message(queue="copy", batch_size=1)
def copy(event: Any) -> Any:
    return runtime.handle(handlers.copy, event)


@app.on_sqs_message(queue="verify", batch_size=10)
def verify(event: Any) -> Any:
    return runtime.handle(handlers.verify, event)


@app.on_sqs_message(queue="notify", batch_size=10)
def notify(event: Any) -> Any:
    return runtime.handle(handlers.notify, event)


@app.schedule("rate(1 minute)")
def sweep(event: Any) -> None:
    runtime.handle(handlers.sweep, event)
