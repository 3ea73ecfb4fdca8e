"""What no schema can say: which ids exist, that a key is used once, that a cursor is the one that the list gave.

Only requests that are meant to be good are touched. What is meant to be refused is sent as it was made.
"""

import ipaddress
import json
import os
import random
import urllib.request
import uuid

import schemathesis

URL = os.environ["KV_URL"]
TOKEN = os.environ["KV_TOKEN"]
PLATFORM_TOKEN = os.environ["KV_PLATFORM_TOKEN"]
BASE = "/api/v1"
AUTHORIZED = [("Authorization", f"Bearer {TOKEN}")]
LOCK_WAIT_MS = 20


def ask(path, body=None, headers=()):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + BASE + path, data=data)
    request.add_header("Content-Type", "application/json")
    for name, value in headers:
        request.add_header(name, value)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def ids(resource):
    return [row["id"] for row in ask(f"/{resource}?limit=20", headers=AUTHORIZED)["data"]]


CUSTOMERS = ids("customers")
PRODUCTS = ids("products")
WAREHOUSES = ids("warehouses")
EXISTING = {
    "customer_id": lambda: random.choice(CUSTOMERS),
    "product_id": lambda: random.choice(PRODUCTS),
    "warehouse_id": lambda: random.choice(WAREHOUSES),
    "from_warehouse_id": lambda: WAREHOUSES[0],
    "to_warehouse_id": lambda: WAREHOUSES[1],
}


def is_uuid(value):
    try:
        return isinstance(value, str) and uuid.UUID(value) is not None
    except ValueError:
        return False


def with_existing_ids(value):
    if isinstance(value, list):
        return [with_existing_ids(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: EXISTING[name]() if name in EXISTING and is_uuid(one) else with_existing_ids(one)
        for name, one in value.items()
    }


def random_address():
    return str(ipaddress.IPv4Address(random.getrandbits(32)))


@schemathesis.auth(refresh_interval=None)
class Token:
    """One token for all, but for the operation that ends it: that has a new one each time. The platform has its own."""

    def get(self, case, context):
        if case.path.startswith("/platform/"):
            return PLATFORM_TOKEN
        if case.path != f"{BASE}/auth/logout":
            return TOKEN
        # Many accounts, because failed logins, which are sent too, are counted per account.
        email = f"clerk{random.randint(1, 8)}@example.com"
        body = {"email": email, "password": "password"}
        return ask("/auth/login", body, [("X-Forwarded-For", random_address())])["token"]

    def set(self, case, token, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {token}"


def is_meant_to_be_good(case):
    return case.meta is None or case.meta.generation.mode.is_positive


@schemathesis.hook
def before_call(context, case, kwargs):
    line = f"{case.method} {case.path}"
    # Failed logins are counted per address, and so are wrong tokens of the platform.
    if line == f"POST {BASE}/auth/login" or case.path.startswith("/platform/"):
        case.headers["X-Forwarded-For"] = random_address()
    # The tenant that everything else is asked of must go on.
    if case.path.endswith("/suspend") and str(case.path_parameters.get("id", "")).isdigit():
        case.path_parameters["id"] = int(case.path_parameters["id"]) + 1_000_000
    if not is_meant_to_be_good(case):
        return
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    # Headers with an equals sign or with quotes are beyond the tool; what it sends instead is none.
    for name in ("If-Match", "If-None-Match"):
        if name in (case.headers or {}):
            case.headers[name] = random.choice(['*', '"1"', '"1", W/"2"'])
    if "X-Lock-Fence" in (case.headers or {}):
        case.headers["X-Lock-Fence"] = f"stock:{uuid.uuid4()}=1"
    if case.query and "cursor" in case.query:
        del case.query["cursor"]
    # Which columns a file must have depends on its import.
    if line == f"PUT {BASE}/imports/{{id}}/content":
        case.path_parameters["id"] = ask("/imports", {"kind": "customers"}, AUTHORIZED)["id"]
        case.body = f"code,name\r\n{uuid.uuid4()},Ada\r\n"
    # When a token is to end lies within a year from now, which no schema can say.
    if case.path == f"{BASE}/api-tokens" and isinstance(case.body, dict):
        case.body.pop("expires_at", None)
    # A body that is not there and is set to that again would count as one that must be refused.
    if isinstance(case.body, (dict, list)):
        case.body = with_existing_ids(case.body)
    if case.path == f"{BASE}/locks/{{resource}}" and isinstance(case.body, dict) and "wait_ms" in case.body:
        case.body["wait_ms"] = min(case.body["wait_ms"], LOCK_WAIT_MS)
