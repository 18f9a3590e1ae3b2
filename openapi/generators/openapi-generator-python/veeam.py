"""Signs in with a password and the code of an authenticator app."""

import os

from client import ApiClient, ApiException, AuthenticationApi, Configuration
from client.models import ErrorResponse, InvalidCredentialsErrorResponse

api = AuthenticationApi(ApiClient(Configuration(host=os.environ["URL"])))
name, password = os.environ["NAME"], os.environ["PASSWORD"]
try:
    answer = api.request_token("Password", username=name, password=password)
    if answer.mfa_token:
        print("method:", answer.mfa_method.actual_instance)
        code = os.environ["CODE"]
        answer = api.request_token("Mfa", mfa_token=answer.mfa_token, mfa_code=code)
    if answer.access_token:
        print("signed in")
except ApiException as refused:
    error = refused.data.actual_instance
    if isinstance(error, InvalidCredentialsErrorResponse):
        print("error:", error.code.value)
    elif isinstance(error, ErrorResponse):
        print("other:", error.code)
