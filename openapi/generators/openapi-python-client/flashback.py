"""Signs in with a password and the code of an authenticator app."""

import os

from client import AuthenticatedClient, Client
from client.api.sessions import login, verify_mfa_login
from client.models import (
    ErrorResponse,
    InvalidCredentialsErrorResponse,
    LoginAnswer,
    LoginRequest,
    MfaType,
    VerifyMfaLoginAnswer,
    VerifyMfaLoginRequest,
)

url = os.environ["URL"]
body = LoginRequest(os.environ["NAME"], os.environ["PASSWORD"])
answer = login.sync(client=Client(base_url=url), body=body)
if isinstance(answer, LoginAnswer) and answer.mfa_required:
    print("method:", (answer.mfa_methods or [])[0])
    pending = AuthenticatedClient(base_url=url, token=answer.access_token)
    proof = VerifyMfaLoginRequest(MfaType.GOOGLE_AUTH, code=os.environ["CODE"])
    answer = verify_mfa_login.sync(client=pending, body=proof)
if isinstance(answer, VerifyMfaLoginAnswer) and answer.full_access_token:
    print("signed in")
elif isinstance(answer, InvalidCredentialsErrorResponse):
    print("error:", answer.code)
elif isinstance(answer, ErrorResponse):
    print("other:", answer.code)
