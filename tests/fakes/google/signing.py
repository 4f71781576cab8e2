"""Sign-in: a service account with domain-wide delegation, its key, the token endpoint, and signing without a key."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt

from tests.fakes.google import errors
from tests.fakes.google.http import Reply, Request
from tests.fakes.google.tenant import Tenant

AUDIENCE = "https://oauth2.googleapis.com/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
WORKLOAD = "token-of-the-workload"
"""The workload's token for the Security Token Service."""
SCOPE = "https://www.googleapis.com/auth/admin.{}.readonly"
SCOPES = tuple(
    SCOPE.format(scope) for scope in ("directory.user", "directory.group", "directory.orgunit", "reports.audit")
)


@cache
def key_pair(name: str) -> tuple[str, str]:
    """A private key and its public key, in PEM; the same for the same name, created once per process."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@dataclass
class Accounts:
    """The service account, its rights, and the issued access tokens."""

    tenant: Tenant
    email: str = "sync@acme-directory.iam.gserviceaccount.com"
    client_id: str = "104857600000000000042"
    granted: set[str] = field(default_factory=lambda: set(SCOPES))
    """The scopes that domain-wide delegation grants."""
    known: bool = True
    """Whether the account exists."""
    key: str = "first"
    """The name of the valid key pair."""
    life: int = 3599
    tokens: dict[str, tuple[str, frozenset[str], datetime]] = field(default_factory=dict)
    requests: int = 0

    def key_file(self, token_uri: str, key: str = "first") -> str:
        """The JSON key file as from Google's console."""
        return json.dumps({
            "type": "service_account", "project_id": "acme-directory", "private_key_id": f"{key}-key-id",
            "private_key": key_pair(key)[0], "client_email": self.email, "client_id": self.client_id,
            "auth_uri": "https://accounts.google.com/o/oauth2/auth", "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        })  # fmt: skip

    def token(self, request: Request, now: datetime) -> Reply:
        """The token endpoint: an assertion for an access token (RFC 7523)."""
        self.requests += 1
        form = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
        if form.get("grant_type") != GRANT:
            return errors.oauth(400, "unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type')}")
        claims = jwt.decode(form["assertion"], verify=False)
        if not self.known or claims.get("iss") != self.email:
            return errors.oauth(400, "invalid_grant", "Invalid grant: account not found")
        if not _signed(form["assertion"], key_pair(self.key)[1]):
            return errors.oauth(400, "invalid_grant", "Invalid JWT Signature.")
        if claims.get("aud") != AUDIENCE:
            return errors.oauth(400, "invalid_grant", "Invalid JWT: Failed audience check.")
        issued, expires = (datetime.fromtimestamp(claims[name], now.tzinfo) for name in ("iat", "exp"))
        slack = timedelta(minutes=5)
        if not (issued - slack <= now <= expires + slack and expires - issued <= timedelta(hours=1)):
            return errors.oauth(
                400,
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
                "Check your iat and exp values in the JWT claim.",
            )
        subject = claims.get("sub")
        addresses = {user["primaryEmail"] for user in self.tenant.users.values()}
        if subject is not None and subject not in addresses:
            return errors.oauth(400, "invalid_grant", "Invalid email or User ID")
        scopes = frozenset(claims.get("scope", "").split())
        if not scopes <= self.granted:
            return errors.oauth(
                401,
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any "
                "of the scopes requested.",
            )
        access = f"ya29.token-{self.requests}"
        self.tokens[access] = (subject or "", scopes, now + timedelta(seconds=self.life))
        body = {"access_token": access, "expires_in": self.life, "token_type": "Bearer"}
        return Reply(200, json.dumps(body).encode())

    def exchange(self, request: Request, caller: str) -> Reply:
        """The Security Token Service: a workload's own token for one of Google's (RFC 8693)."""
        form = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
        if form.get("subject_token") != WORKLOAD:
            return errors.oauth(400, "invalid_grant", "The subject token is not valid.")
        kind = "urn:ietf:params:oauth:token-type:access_token"
        body = {"access_token": caller, "issued_token_type": kind, "token_type": "Bearer", "expires_in": 3600}
        return Reply(200, json.dumps(body).encode())

    def sign(self, request: Request, caller: str) -> Reply:
        """IAM Credentials ``signJwt`` (cloud.google.com, projects.serviceAccounts.signJwt)."""
        if request.headers.get("authorization") != f"Bearer {caller}":
            return errors.unauthenticated().reply
        if not request.path.endswith(f"/{self.email}:signJwt"):
            words = "Permission 'iam.serviceAccounts.signJwt' denied on resource (or it may not exist)."
            return errors.Refused(403, words, "forbidden", status="PERMISSION_DENIED").reply
        payload = json.loads(json.loads(request.body)["payload"])
        signer = crypt.RSASigner.from_string(key_pair(self.key)[0], "google-managed")
        body = {"keyId": "google-managed", "signedJwt": jwt.encode(signer, payload).decode()}
        return Reply(200, json.dumps(body).encode())

    def subject(self, request: Request, now: datetime, scope: str) -> str:
        """The user of the request. Raises Refused."""
        access = request.headers.get("authorization", "").removeprefix("Bearer ")
        found = self.tokens.get(access)
        if found is None or found[2] <= now:
            raise errors.unauthenticated()
        if SCOPE.format(scope) not in found[1]:
            raise errors.insufficient_scopes()
        return found[0]


def _signed(token: str, public: str) -> bool:
    message, _, signature = token.rpartition(".")
    padded = signature + "=" * (-len(signature) % 4)
    verifier = crypt.RSAVerifier.from_string(public)
    return bool(verifier.verify(message, base64.urlsafe_b64decode(padded)))
