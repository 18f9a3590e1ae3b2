"""Signs in with a password and the code of an authenticator app."""

import os

from client import Client
from client.api.authentication import authenticate, complete_authentication
from client.models import (
    AuthMfaRequiredResponse,
    AuthRequest,
    AuthSuccessResponse,
    CompleteAuthRequest,
    ErrorResponse,
    InvalidCredentialsErrorResponse,
)

api = Client(base_url=os.environ["URL"])
password = AuthRequest(login=os.environ["NAME"], password=os.environ["PASSWORD"])
answer = authenticate.sync(client=api, body=password)
if isinstance(answer, AuthMfaRequiredResponse):
    print("method:", answer.mfa_method)
    proof = CompleteAuthRequest(answer.mfa_token, code=os.environ["CODE"])
    answer = complete_authentication.sync(client=api, body=proof)
if isinstance(answer, AuthSuccessResponse) and answer.token:
    print("signed in")
elif isinstance(answer, InvalidCredentialsErrorResponse):
    print("error:", answer.code)
elif isinstance(answer, ErrorResponse):
    print("other:", answer.code)
