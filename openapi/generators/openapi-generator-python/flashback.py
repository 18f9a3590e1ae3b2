"""Signs in with a password and the code of an authenticator app."""

import os

from client import ApiClient, ApiException, Configuration, SessionsApi
from client.models import (
    ErrorResponse,
    InvalidCredentialsErrorResponse,
    LoginRequest,
    MfaType,
    VerifyMfaLoginRequest,
)

settings = Configuration(host=os.environ["URL"])
api = SessionsApi(ApiClient(settings))
password = LoginRequest(email=os.environ["NAME"], password=os.environ["PASSWORD"])
try:
    answer = api.login(password)
    if answer.mfa_required:
        print("method:", answer.mfa_methods[0].actual_instance)
        settings.access_token = answer.access_token
        proof = VerifyMfaLoginRequest(mfaType=MfaType.GOOGLE_AUTH, code=os.environ["CODE"])
        if api.verify_mfa_login(proof).full_access_token:
            print("signed in")
except ApiException as refused:
    error = refused.data.actual_instance
    if isinstance(error, InvalidCredentialsErrorResponse):
        print("error:", error.code.value)
    elif isinstance(error, ErrorResponse):
        print("other:", error.code)
