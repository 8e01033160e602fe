"""The API's operations on everything that tenants register: endpoints, feeds, schedules, webhooks, and the audit of
changes."""

from chalicelib.entry.rest import endpoints, feeds, requests, schedules, webhooks
from chalicelib.entry.rest.auth import ADMINISTER, READ, WRITE
from chalicelib.entry.rest.conditions import author_of, condition_of, etag_of
from chalicelib.entry.rest.http import Answer, Request
from chalicelib.entry.rest.reading import body_of, query_of, require, token_of
from chalicelib.ports import Env
from chalicelib.steps import endpoints as endpoints_step
from chalicelib.steps import feeds as feeds_step
from chalicelib.steps import schedules as schedules_step
from chalicelib.steps import webhooks as webhooks_step


def list_schedules(env: Env, request: Request) -> Answer:
    """Answer GET /schedules with `schedules.ScheduleList`."""
    require(request, READ)
    return Answer(200, schedules.ScheduleList.of(schedules_step.list_schedules(env, request.tenant)).body())


def get_schedule(env: Env, request: Request, schedule_id: str) -> Answer:
    """Answer GET /schedules/{schedule_id} with `schedules.Schedule` and its ETag."""
    require(request, READ)
    return _schedule_answer(200, schedules_step.get_schedule(env, request.tenant, schedule_id))


def put_schedule(env: Env, request: Request, schedule_id: str) -> Answer:
    """Answer PUT /schedules/{schedule_id} (`schedules.ScheduleRequest`) with `schedules.Schedule`: 201 if it is new,
    else 200."""
    require(request, WRITE)
    condition = condition_of(request)
    wanted_schedule = body_of(request, schedules.ScheduleRequest).wanted_schedule(request.tenant)
    view, new = schedules_step.put_schedule(env, author_of(request), schedule_id, wanted_schedule, condition)
    return _schedule_answer(201 if new else 200, view)


def _schedule_answer(status: int, view: schedules_step.ScheduleView) -> Answer:
    return Answer(status, schedules.Schedule.of(view).body(), {"ETag": etag_of(view.entry)})


def remove_schedule(env: Env, request: Request, schedule_id: str) -> Answer:
    """Answer DELETE /schedules/{schedule_id} with 204."""
    require(request, WRITE)
    schedules_step.remove_schedule(env, author_of(request), schedule_id, condition_of(request))
    return Answer(204, None)


def list_endpoints(env: Env, request: Request) -> Answer:
    """Answer GET /endpoints with `endpoints.EndpointList`."""
    require(request, READ)
    return Answer(200, endpoints.EndpointList.of(endpoints_step.list_endpoints(env, request.tenant)).body())


def get_endpoint(env: Env, request: Request, endpoint_id: str) -> Answer:
    """Answer GET /endpoints/{endpoint_id} with `endpoints.Endpoint`, and with its ETag if it can be changed."""
    require(request, READ)
    return _endpoint_answer(200, endpoints_step.get_endpoint(env, request.tenant, endpoint_id))


def put_endpoint(env: Env, request: Request, endpoint_id: str) -> Answer:
    """Answer PUT /endpoints/{endpoint_id} (`endpoints.EndpointRequest`) with `endpoints.Endpoint`: 201 if it is new,
    else 200."""
    require(request, ADMINISTER)
    condition = condition_of(request)
    endpoint = body_of(request, endpoints.EndpointRequest).endpoint(request.tenant, endpoint_id)
    view, new = endpoints_step.put_endpoint(env, author_of(request), endpoint, condition)
    return _endpoint_answer(201 if new else 200, view)


def _endpoint_answer(status: int, view: endpoints_step.EndpointView) -> Answer:
    headers = {"ETag": etag_of(view.entry)} if view.entry else {}
    return Answer(status, endpoints.Endpoint.of(view).body(), headers)


def remove_endpoint(env: Env, request: Request, endpoint_id: str) -> Answer:
    """Answer DELETE /endpoints/{endpoint_id} with 204."""
    require(request, ADMINISTER)
    endpoints_step.remove_endpoint(env, author_of(request), endpoint_id, condition_of(request))
    return Answer(204, None)


def check_endpoint(env: Env, request: Request, endpoint_id: str) -> Answer:
    """Answer POST /endpoints/{endpoint_id}/check with `endpoints.EndpointCheck`."""
    require(request, WRITE)
    findings = endpoints_step.check_endpoint(env, request.tenant, endpoint_id)
    return Answer(200, endpoints.EndpointCheck(id=endpoint_id, usable=not findings, findings=list(findings)).body())


def list_changes(env: Env, request: Request) -> Answer:
    """Answer GET /audit (`requests.PageQuery`) with `endpoints.AuditList`."""
    require(request, ADMINISTER)
    query = query_of(request, requests.PageQuery)
    return Answer(
        200, endpoints.AuditList.of(endpoints_step.changes(env, request.tenant, query.cursor, query.limit)).body()
    )


def list_feeds(env: Env, request: Request) -> Answer:
    """Answer GET /feeds with `feeds.FeedList`."""
    require(request, READ)
    return Answer(200, feeds.FeedList.of(feeds_step.list_feeds(env, request.tenant)).body())


def get_feed(env: Env, request: Request, feed_id: str) -> Answer:
    """Answer GET /feeds/{feed_id} with `feeds.FeedDetail`, and with its ETag if it can be changed."""
    require(request, READ)
    return _feed_detail(200, feeds_step.get_feed(env, request.tenant, feed_id))


def _feed_detail(status: int, detail: feeds_step.FeedDetail) -> Answer:
    return Answer(status, feeds.FeedDetail.of_detail(detail).body(), _feed_headers(detail.view))


def _feed_headers(view: feeds_step.FeedView) -> dict[str, str]:
    return {"ETag": etag_of(view.entry)} if view.entry else {}


def put_feed(env: Env, request: Request, feed_id: str) -> Answer:
    """Answer PUT /feeds/{feed_id} (`feeds.FeedRequest`) with `feeds.Feed`: 201 if it is new, else 200."""
    require(request, ADMINISTER)
    condition = condition_of(request)
    wanted_feed = body_of(request, feeds.FeedRequest).wanted_feed()
    view, new = feeds_step.put_feed(env, author_of(request), feed_id, wanted_feed, condition)
    return Answer(201 if new else 200, feeds.Feed.of(view).body(), _feed_headers(view))


def remove_feed(env: Env, request: Request, feed_id: str) -> Answer:
    """Answer DELETE /feeds/{feed_id} with 204."""
    require(request, ADMINISTER)
    feeds_step.remove_feed(env, author_of(request), feed_id, condition_of(request))
    return Answer(204, None)


def pause_feed(env: Env, request: Request, feed_id: str) -> Answer:
    """Answer POST /feeds/{feed_id}/pause with 202 and `feeds.FeedDetail`. Repeating it changes nothing."""
    require(request, ADMINISTER)
    return _feed_detail(202, feeds_step.pause_feed(env, author_of(request), feed_id))


def resume_feed(env: Env, request: Request, feed_id: str) -> Answer:
    """Answer POST /feeds/{feed_id}/resume with 202 and `feeds.FeedDetail`. Repeating it changes nothing."""
    require(request, ADMINISTER)
    return _feed_detail(202, feeds_step.resume_feed(env, author_of(request), feed_id))


def backfill_feed(env: Env, request: Request, feed_id: str) -> Answer:
    """Answer POST /feeds/{feed_id}/backfill, sent with or without `feeds.BackfillRequest`, with 202 and
    `feeds.Backfill`."""
    require(request, ADMINISTER)
    body = body_of(request, feeds.BackfillRequest) if request.body else feeds.BackfillRequest()
    backfill = feeds_step.request_backfill(env, author_of(request), feed_id, body.since_ms, token_of(env, request))
    return Answer(202, feeds.Backfill.of(backfill).body())


def list_deliveries(env: Env, request: Request, feed_id: str) -> Answer:
    """Answer GET /feeds/{feed_id}/deliveries (`feeds.DeliveriesQuery`) with `feeds.DeliveryList`."""
    require(request, READ)
    query = query_of(request, feeds.DeliveriesQuery)
    page = feeds_step.list_deliveries(env, request.tenant, feed_id, query.delivery_filter(), query.cursor, query.limit)
    return Answer(200, feeds.DeliveryList.of(page).body())


def list_webhooks(env: Env, request: Request) -> Answer:
    """Answer GET /webhooks with `webhooks.WebhookList`."""
    require(request, ADMINISTER)
    return Answer(200, webhooks.WebhookList.of(webhooks_step.list_webhooks(env, request.tenant)).body())


def get_webhook(env: Env, request: Request, webhook_id: str) -> Answer:
    """Answer GET /webhooks/{webhook_id} with `webhooks.Webhook` and its ETag."""
    require(request, ADMINISTER)
    view = webhooks_step.get_webhook(env, request.tenant, webhook_id)
    return Answer(200, webhooks.Webhook.of(view).body(), {"ETag": etag_of(view.entry)})


def put_webhook(env: Env, request: Request, webhook_id: str) -> Answer:
    """Answer PUT /webhooks/{webhook_id} with `webhooks.WebhookRequest`: 201 with `webhooks.WebhookWithSecret` if it is
    new, else 200 with `webhooks.Webhook`."""
    require(request, ADMINISTER)
    condition = condition_of(request)
    body = body_of(request, webhooks.WebhookRequest)
    author = author_of(request)
    view, new = webhooks_step.put_webhook(env, author, webhook_id, body.url, body.topics, condition)
    if new:
        return _with_secret(201, view)
    return Answer(200, webhooks.Webhook.of(view).body(), {"ETag": etag_of(view.entry)})


def _with_secret(status: int, view: webhooks_step.WebhookView) -> Answer:
    return Answer(status, webhooks.WebhookWithSecret.with_secret(view).body(), {"ETag": etag_of(view.entry)})


def remove_webhook(env: Env, request: Request, webhook_id: str) -> Answer:
    """Answer DELETE /webhooks/{webhook_id} with 204."""
    require(request, ADMINISTER)
    webhooks_step.remove_webhook(env, author_of(request), webhook_id, condition_of(request))
    return Answer(204, None)


def rotate_secret(env: Env, request: Request, webhook_id: str) -> Answer:
    """Answer POST /webhooks/{webhook_id}/rotate with `webhooks.WebhookWithSecret`."""
    require(request, ADMINISTER)
    return _with_secret(200, webhooks_step.rotate_secret(env, author_of(request), webhook_id, condition_of(request)))


def test_webhook(env: Env, request: Request, webhook_id: str) -> Answer:
    """Answer POST /webhooks/{webhook_id}/test with 202 and `webhooks.TestSent`."""
    require(request, ADMINISTER)
    message_id = webhooks_step.send_test(env, request.tenant, webhook_id)
    return Answer(202, webhooks.TestSent(message_id=message_id).body())
