"""Asks this release what EXPECTED holds the answers of release 0.1 to. Run as a program; prints JSON."""

import json
import os
import sys
import time
from datetime import datetime

import django

django.setup()

from django.test import Client  # noqa: E402  after the set-up

from listings.models import Actor  # noqa: E402
from recommendations.feed.pipeline import next_page  # noqa: E402
from recommendations.models.trained_models import TrainedModel  # noqa: E402
from recommendations.replica import follower  # noqa: E402
from recommendations.replica.follower import ReplicaNotReady  # noqa: E402

expected = json.loads(os.environ["EXPECTED"])
follower.start()
deadline = time.monotonic() + 30
while True:
    try:
        snapshot = follower.snapshot()
        if snapshot.collaborative and snapshot.seq >= expected["seq"]:
            break
    except ReplicaNotReady:
        pass
    if time.monotonic() > deadline:
        sys.exit("The replica was not ready within 30 seconds.")
    time.sleep(0.05)
client = Client(headers={"authorization": f"Api-Key {expected['service_key']}", "host": "localhost"})
shopper = Actor.objects.get(external_id=expected["shopper"])
first = client.get("/api/v1/feed/", {"actor": shopper.external_id, "limit": 5}).json()
second = next_page(
    cursor=expected["cursor"], actor=shopper, limit=5, now=datetime.fromisoformat(expected["asked_at"])
)
similar = client.get(f"/api/v1/listings/{expected['similar_to']}/similar/").json()
event = {
    "event_id": "after-the-upgrade",
    "actor": shopper.external_id,
    "listing": expected["similar_to"],
    "kind": "view",
}
posted = client.post("/api/v1/interactions/", {"events": [event]}, content_type="application/json")
answers = {
    "generation": snapshot.generation,
    "encoder_version": snapshot.encoder_version,
    "seq": snapshot.seq,
    "live_listing_count": int(snapshot.alive.sum()),
    "collaborative_version": TrainedModel.objects.get(kind="collaborative", status="active").version,
    "degraded": first["degraded"],
    "first_page": [item["listing"]["id"] for item in first["items"]],
    "reasons": [item["reason"] for item in first["items"]],
    "second_page": [item.listing.external_id for item in second.items],
    "similar": {item["listing"]["id"]: item["score"] for item in similar["items"]},
    "listing_status": client.get(f"/api/v1/listings/{expected['similar_to']}/").status_code,
    "event_outcomes": [result["outcome"] for result in posted.json()["results"]],
}
print(json.dumps(answers))
os._exit(0)  # the thread of the replica would go on
