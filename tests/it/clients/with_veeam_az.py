"""What users of veeam-az do at v8.1: list, enable, accept, sign in, disable, sign out."""

import asyncio
import sys

from veeam_az import VeeamClient
from veeam_az.discovery import detect_api_version
from veeam_az.v8_1.api.login import login_authenticate, login_logout
from veeam_az.v8_1.api.system import system_get_about
from veeam_az.v8_1.api.user import user_accept_mfa, user_disable_mfa, user_get_users
from veeam_az.v8_1.client import Client
from veeam_az.v8_1.models.grant_type import GrantType
from veeam_az.v8_1.models.login_from_client import LoginFromClient
from veeam_az.v8_1.models.user_mfa_accept import UserMfaAccept
from veeam_az.v8_1.models.user_mfa_setup import UserMfaSetup

ADDRESS, NAME, PASSWORD = sys.argv[1:]
HOST = f"https://{ADDRESS}"


def code(secret):
    """What the app shows: whoever started this knows what time it is."""
    print("code", secret, flush=True)
    return input()


async def login(**fields):
    """The client has no second step of its own, only the operation."""
    body = LoginFromClient(**fields)
    return await login_authenticate.asyncio(client=Client(base_url=HOST), body=body)


async def main():
    print("detected", await detect_api_version(HOST))
    newer = await detect_api_version(HOST, versions=["9", "8.2"])
    older = await detect_api_version(HOST, versions=["9", "7", "1"])
    print("of others", newer, older)
    client = VeeamClient(host=HOST, api_version="8.1", username=NAME, password=PASSWORD)
    await client.connect()
    about = await client.call(system_get_about.asyncio)
    print("about", list(about.to_dict()))
    users = client.api("user")
    everybody = await client.call(users.user_get_users)
    print("listed", [user.name for user in everybody.results])
    page = await client.call(users.user_get_users, name_filter=NAME)
    [own] = page.results
    print("found", own.name, type(own.id).__name__, own.type_, own.role, own.is_default)
    setup = UserMfaSetup(recreate=False)
    begun = await client.call(users.user_enable_mfa, id=own.id, body=setup)
    print("enabled", begun.user_id == own.id, len(begun.scratch_codes))
    proof = UserMfaAccept(code=code(begun.secret_key), token=begun.token)
    accepted = await client.call(user_accept_mfa.asyncio_detailed, id=own.id, body=proof)
    print("accepted", int(accepted.status_code))

    asked = await login(grant_type=GrantType.PASSWORD, username=NAME, password=PASSWORD)
    print("asked", asked.mfa_enabled, bool(asked.access_token))
    session = await login(
        grant_type=GrantType.MFA,
        mfa_token=asked.mfa_token,
        mfa_code=code(begun.secret_key),
    )
    again = VeeamClient(host=HOST, api_version="8.1", token=session.access_token)
    await again.connect()
    disabled = await again.call(user_disable_mfa.asyncio_detailed, id=own.id)
    print("disabled", int(disabled.status_code))
    out = await again.call(login_logout.asyncio_detailed)
    print("signed out", int(out.status_code))
    gone = await again.call(user_get_users.asyncio_detailed)
    print("refused", int(gone.status_code), gone.parsed.title)


asyncio.run(main())
